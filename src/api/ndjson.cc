#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <unordered_set>

#include "api/table_internal.h"
#include "base/error.h"
#include "columnar/describe.h"
#include "columnar/invalid.h"
#include "formats/json/decoder.h"
#include "formats/json/encoder.h"
#include "formats/json/reader.h"

namespace tiderace {
namespace {

/// Collects the names of an object's own fields.
class FieldNames : public JsonEvents {
 public:
  void start() {
    depth_ = 0;
    found_.clear();
  }
  [[nodiscard]] const std::vector<std::string>& found() const noexcept { return found_; }

  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool int64(std::int64_t) override { return true; }
  bool float64(double) override { return true; }
  bool string(std::string_view) override { return true; }
  bool begin_object() override { return ++depth_ > 0; }
  bool name(std::string_view name) override {
    if (depth_ == 1) found_.emplace_back(name);
    return true;
  }
  bool end_object() override { return --depth_ >= 0; }
  bool begin_array() override { return ++depth_ > 0; }
  bool end_array() override { return --depth_ >= 0; }

 private:
  int depth_ = 0;
  std::vector<std::string> found_;
};

/// The names of the fields of all sound records, each once.
std::vector<std::string> fields_of(const Records& records) {
  std::vector<std::string> order;
  std::unordered_set<std::string> known;
  FieldNames names;
  std::vector<std::string> previous;
  for (const Record& record : records.rows) {
    names.start();
    if (!walk_json(record.value_view(), names).empty() || names.found() == previous) continue;
    previous = names.found();
    for (const std::string& name : previous) {
      if (known.insert(name).second) order.push_back(name);
    }
  }
  return order;
}

/// The records of a text, a line each.
std::shared_ptr<Records> records_of(std::string text, std::vector<std::size_t>& lines) {
  if (text.size() > UINT32_MAX) {
    throw_error(ErrorKind::plan,
                "an NDJSON file of {} bytes cannot be one table, which takes at most 4 GiB; split it",
                text.size());
  }
  auto records = std::make_shared<Records>();
  const std::size_t size = text.size();
  text.resize(size + record_padding);
  const auto owner = std::make_shared<const std::string>(std::move(text));
  const std::string_view all(owner->data(), size);
  std::size_t line = 1;
  for (std::size_t begin = 0; begin < size; ++line) {
    const std::size_t end = std::min(all.find('\n', begin), size);
    const std::string_view row = all.substr(begin, end - begin);
    if (row.find_first_not_of(" \t\r") != std::string_view::npos) {
      Record record;
      record.value = row.data();
      record.value_size = static_cast<std::uint32_t>(row.size());
      record.offset = static_cast<std::int64_t>(records->rows.size());
      records->rows.push_back(record);
      lines.push_back(line);
    }
    begin = end + 1;
  }
  records->padded = true;
  records->owner = owner;
  return records;
}

/// `message` of the decoder without the place in its record, since the row of a table has no bytes.
std::string without_byte(std::string_view message) {
  constexpr std::string_view place = " at byte ";
  const std::size_t begin = message.rfind(place);
  if (begin == std::string_view::npos) return std::string(message);
  const std::size_t end =
      std::min(message.find_first_not_of("0123456789", begin + place.size()), message.size());
  return std::string(message.substr(0, begin)).append(message.substr(end));
}

/// `inside`, what the decoder found at `path` in `column`, with the faults as those of the rows of a table.
Column with_faults_of_rows(const Column& column, std::span<const std::string> path, const Column& inside) {
  constexpr KindMask no_faults = mask_of(Kind::nested) | mask_of(Kind::null);
  if (((column.mask() & ~no_faults) | (inside.mask() & mask_of(Kind::invalid))) == 0) return inside;
  const std::string name = quoted(path.front());
  ColumnBuilder builder(column.size());
  for (std::size_t i = 0; i < column.size(); ++i) {
    if (column.kind(i) == Kind::invalid) {
      builder.copy(i, column, i);
    } else if (column.kind(i) != Kind::nested && !column.is_null(i)) {
      set_invalid(builder, i, BadRowKind::type,
                  fmt::format("field {}.{}: wanted an object in {}, found {}", name, quoted(path[1]), name,
                              describe(column, i)));
    } else if (inside.kind(i) == Kind::invalid) {
      const InvalidView fault = invalid_view(inside, i);
      set_invalid(builder, i, fault.kind, without_byte(fault.message), fault.raw);
    } else {
      builder.copy(i, inside, i);
    }
  }
  return Column(std::move(builder));
}

}  // namespace

NdjsonRows read_ndjson_rows(std::string text, RowErrors& errors) {
  NdjsonRows result;
  const std::shared_ptr<const Records> records = records_of(std::move(text), result.lines);
  const std::vector<std::string> names = fields_of(*records);
  JsonDecoderOptions options;
  for (const std::string& name : names)
    options.fields.push_back({{name}, static_cast<Slot>(options.fields.size()), {}});
  options.slots = names.size();
  Batch batch = JsonDecoder(std::move(options)).decode(records, errors);
  for (std::size_t k = 0; k < names.size(); ++k) result.columns.push_back({names[k], batch.columns[k]});
  result.rows = std::move(batch.rows);
  return result;
}

Column values_inside(const Column& column, std::span<const std::string> path) {
  // Every nested value becomes a record `{"name":value}`, so that a path means the same here as in a record
  // of a topic; what is none is found wanting afterwards.
  std::string opening = "{";
  append_json_string(opening, path.front());
  opening += ':';
  std::vector<std::uint32_t> ends;
  std::string text;
  for (std::size_t i = 0; i < column.size(); ++i) {
    if (column.kind(i) == Kind::nested)
      (text += opening).append(column.text(i)) += '}';
    else
      text += "{}";
    if (text.size() > UINT32_MAX)
      throw Error(ErrorKind::plan,
                  "more than 4 GiB of nested values cannot be read at once; take fewer rows");
    ends.push_back(static_cast<std::uint32_t>(text.size()));
  }
  text.resize(text.size() + record_padding);
  auto records = std::make_shared<Records>();
  const auto owner = std::make_shared<const std::string>(std::move(text));
  std::uint32_t begin = 0;
  for (const std::uint32_t end : ends) {
    Record record;
    record.value = owner->data() + begin;
    record.value_size = end - begin;
    records->rows.push_back(record);
    begin = end;
  }
  records->padded = true;
  records->owner = owner;
  JsonDecoderOptions options;
  options.slots = 1;
  options.max_record_bytes = UINT32_MAX;
  options.max_depth = 1002;
  options.fields.push_back({{path.begin(), path.end()}, 0, {}});
  RowErrors errors;
  Batch batch = JsonDecoder(std::move(options)).decode(records, errors);
  // Nested values were checked where they came in; a table that holds others was made wrongly.
  TIDERACE_CHECK(errors.empty());
  return with_faults_of_rows(column, path, batch.columns.front());
}

}  // namespace tiderace
