#include "formats/csv/reader.h"

#include <algorithm>
#include <optional>

#include "base/error.h"
#include "formats/csv/kind.h"
#include "formats/csv/splitter.h"
#include "formats/json/text.h"

namespace tiderace {
namespace {

/// The first byte that is not UTF-8 where it stands.
std::optional<std::size_t> first_not_utf8(std::string_view text) {
  const auto* const begin = reinterpret_cast<const json::Byte*>(text.data());
  const json::Byte* const end = begin + text.size();
  for (const json::Byte* p = begin; p != end;) {
    const json::Byte* next = *p < 0x80 ? p + 1 : json::utf8_sequence_end(p, end);
    if (next == nullptr) return static_cast<std::size_t>(p - begin);
    p = next;
  }
  return std::nullopt;
}

/// The fields of a column, and the line of each.
struct Fields {
  std::vector<std::string_view> values;
  const std::vector<std::size_t>& lines;
};

Column column_of(const Fields& fields, const std::string& name) {
  CsvKind seen;
  for (std::size_t i = 0; i < fields.values.size(); ++i) seen.see(fields.values[i], fields.lines[i]);
  log_csv_oddity("CSV", name, seen, "mend such values if it is to be one of numbers");
  ColumnBuilder out(fields.values.size());
  const auto fill = [&](auto&& set) {
    for (std::size_t i = 0; i < fields.values.size(); ++i) {
      if (is_csv_missing(fields.values[i]))
        out.set_null(i);
      else
        set(i, fields.values[i]);
    }
  };
  const Kind kind = seen.kind();
  if (kind == Kind::int64) {
    fill([&](std::size_t i, std::string_view field) { out.set_int64(i, *csv_int64(field)); });
  } else if (kind == Kind::float64) {
    fill([&](std::size_t i, std::string_view field) { out.set_float64(i, *csv_float64(field)); });
  } else if (kind == Kind::boolean) {
    fill([&](std::size_t i, std::string_view field) { out.set_boolean(i, *csv_boolean(field)); });
  } else {
    std::size_t size = 0;
    for (const std::string_view field : fields.values) size += field.size();
    if (size > UINT32_MAX)
      throw_error(ErrorKind::plan, "the CSV column \"{}\" holds more than 4 GiB of text", name);
    fill([&](std::size_t i, std::string_view field) { out.set_text(i, Kind::string, field); });
  }
  return Column(std::move(out));
}

}  // namespace

std::vector<NamedColumn> read_csv_columns(std::string_view text) {
  if (const auto fault = first_not_utf8(text)) {
    const auto line = 1 + std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(*fault), '\n');
    throw_error(ErrorKind::plan, "CSV line {}: wanted UTF-8, found the byte {:#04x}; save the file as UTF-8",
                line, static_cast<unsigned char>(text[*fault]));
  }
  CsvSplitter splitter(text);
  const std::vector<std::string> names = csv_header(splitter);
  std::vector<std::size_t> lines;
  std::vector<Fields> columns(names.size(), Fields{{}, lines});
  std::vector<std::string_view> fields;
  while (splitter.next(fields)) {
    if (fields.size() > names.size()) {
      throw_error(ErrorKind::plan, "CSV line {}: wanted {} fields, found {}", splitter.line(), names.size(),
                  fields.size());
    }
    fields.resize(names.size());
    lines.push_back(splitter.line());
    for (std::size_t k = 0; k < names.size(); ++k) columns[k].values.push_back(fields[k]);
  }
  std::vector<NamedColumn> result;
  for (std::size_t k = 0; k < names.size(); ++k) {
    Column column = column_of(columns[k], names[k]);
    result.push_back({names[k], std::move(column)});
  }
  return result;
}

}  // namespace tiderace
