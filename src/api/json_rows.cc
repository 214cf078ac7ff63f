#include <tiderace/json_rows.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "base/error.h"
#include "columnar/records.h"
#include "formats/json/decoder.h"
#include "formats/json/walker.h"
#include "formats/record/row_fields.h"

namespace tiderace {
namespace {

constexpr std::string_view space = " \t\r\n";

/// One past the object that begins at `begin`, by its brackets alone; nothing if it does not end.
std::optional<std::size_t> end_of_object(std::string_view text, std::size_t begin) {
  std::size_t depth = 0;
  for (std::size_t i = begin; i < text.size(); ++i) {
    switch (text[i]) {
      case '"':
        for (++i; i < text.size() && text[i] != '"'; ++i) i += text[i] == '\\' ? 1 : 0;
        break;
      case '{':
      case '[':
        ++depth;
        break;
      case '}':
      case ']':
        if (--depth == 0) return i + 1;
        break;
      default:
        break;
    }
  }
  return std::nullopt;
}

/// Walks over the objects of a text; what is inside them is looked at later.
class Cutter {
 public:
  explicit Cutter(std::string_view text) : text_(text) {
    skip_space();
    array_ = at('[');
    if (array_) ++next_;
  }

  /// The next object; empty at the end.
  std::string_view object() {
    skip_space();
    if (array_ && found_ == 0 && at(']')) return finish();
    if (!array_ && next_ == text_.size()) {
      if (found_ == 0) throw Error(ErrorKind::config, "wanted rows in JSON, found nothing");
      return {};
    }
    if (!at('{')) wrong("wanted an object");
    const auto end = end_of_object(text_, next_);
    if (!end) does_not_end();
    const std::string_view object = text_.substr(next_, *end - next_);
    next_ = *end;
    ++found_;
    return object;
  }
  /// After an object: whether another has to follow.
  bool goes_on() {
    skip_space();
    if (!array_) return next_ < text_.size();
    if (at(',')) return ++next_, true;
    if (!at(']')) wrong("wanted , or ]");
    finish();
    return false;
  }

 private:
  void skip_space() { next_ = std::min(text_.find_first_not_of(space, next_), text_.size()); }
  [[nodiscard]] bool at(char c) const { return next_ < text_.size() && text_[next_] == c; }
  std::string_view finish() {
    ++next_;
    skip_space();
    if (next_ < text_.size()) wrong("wanted the end after the array");
    return {};
  }
  /// The object that begins here; the text is over inside it, or wrong before that.
  [[noreturn]] void does_not_end() const {
    json::WalkOptions options{.only_object = true};
    options.origin = next_;
    const std::string fault = json::Walker(text_.substr(next_), nullptr, options).walk();
    if (fault.empty()) wrong("wanted the end of an object");
    throw_error(ErrorKind::config, "row {}: {}", found_ + 1, fault);
  }
  [[noreturn]] void wrong(std::string_view wanted) const {
    if (next_ >= text_.size() && array_)
      throw_error(ErrorKind::config, "row {}: {}, but the text ends inside the array that begins at byte {}",
                  found_ + 1, wanted, text_.find('['));
    if (next_ >= text_.size())
      throw_error(ErrorKind::config, "row {}: {}, found the end of the text", found_ + 1, wanted);
    throw_error(ErrorKind::config, "row {}: {} at byte {}, found byte 0x{:02x}", found_ + 1, wanted, next_,
                static_cast<unsigned char>(text_[next_]));
  }

  std::string_view text_;
  std::size_t next_ = 0;
  std::size_t found_ = 0;
  bool array_ = false;
};

std::vector<std::string_view> cut(std::string_view text) {
  std::vector<std::string_view> objects;
  Cutter cutter(text);
  for (std::string_view object = cutter.object(); !object.empty(); object = cutter.object()) {
    objects.push_back(object);
    if (!cutter.goes_on()) break;
  }
  return objects;
}

/// About what it takes in memory.
std::size_t bytes_of(const JsonRow& row) {
  std::size_t bytes = sizeof row + row.value.size() + (row.key ? row.key->size() : 0);
  for (const auto& header : row.headers)
    bytes += sizeof header + header.first.size() + (header.second ? header.second->size() : 0);
  return bytes;
}

template <class T>
T sound(Field<T> field, std::size_t row) {
  if (!field.complaint.empty()) throw_error(ErrorKind::config, "row {}: {}", row + 1, field.complaint);
  return std::move(field.value);
}

}  // namespace

struct JsonRows::Impl {
  struct Taken {
    std::string field;
    Slot slot;
  };
  explicit Impl(const JsonRowsOptions& options) {
    JsonDecoderOptions wanted;
    // A field may be wanted for more than one thing.
    const auto take = [&](const std::string& field) -> Taken {
      const auto found =
          std::ranges::find_if(wanted.fields, [&](const auto& each) { return each.path.front() == field; });
      if (found != wanted.fields.end()) return {field, found->slot};
      const auto slot = static_cast<Slot>(wanted.fields.size());
      wanted.fields.push_back({{field}, slot, std::nullopt});
      return {field, slot};
    };
    if (options.key) key = take(*options.key);
    if (options.timestamp) timestamp = take(*options.timestamp);
    for (const auto& [name, field] : options.headers) headers.emplace_back(name, take(field));
    wanted.slots = wanted.fields.size();
    decoder.emplace(std::move(wanted));
  }

  std::optional<Taken> key;
  std::optional<Taken> timestamp;
  std::vector<std::pair<std::string, Taken>> headers;  ///< by name
  std::optional<JsonDecoder> decoder;
};

JsonRows::JsonRows(const JsonRowsOptions& options) : impl_(std::make_unique<Impl>(options)) {}
JsonRows::~JsonRows() = default;
JsonRows::JsonRows(JsonRows&&) noexcept = default;
JsonRows& JsonRows::operator=(JsonRows&&) noexcept = default;

std::vector<JsonRow> JsonRows::read(std::string_view text, std::size_t most_bytes) {
  const std::vector<std::string_view> objects = cut(text);
  auto records = std::make_shared<Records>();
  for (const std::string_view object : objects) {
    if (object.size() > UINT32_MAX)
      throw Error(ErrorKind::config, "a row of more than 4 GiB cannot be taken");
    records->rows.push_back(
        {.value = object.data(), .value_size = static_cast<std::uint32_t>(object.size())});
  }
  RowErrors errors;
  const Batch batch = impl_->decoder->decode(records, errors);
  if (const auto found = errors.take(); !found.empty())
    throw_error(ErrorKind::config, "row {}: {}", found.front().row + 1, found.front().message);
  std::vector<JsonRow> rows;
  std::size_t bytes = 0;
  for (std::size_t i = 0; i < objects.size(); ++i) {
    JsonRow row{objects[i]};
    const auto column = [&](const Impl::Taken& taken) -> const Column& { return batch.columns[taken.slot]; };
    if (const auto& key = impl_->key) row.key = sound(key_of(column(*key), i, key->field), i);
    if (const auto& time = impl_->timestamp)
      row.timestamp = sound(timestamp_of(column(*time), i, time->field), i);
    for (const auto& [name, taken] : impl_->headers) {
      if (auto text = sound(text_of(column(taken), i, taken.field), i))
        row.headers.emplace_back(name, std::move(*text));
    }
    bytes += bytes_of(row);
    if (bytes > most_bytes)
      throw_error(
          ErrorKind::config,
          "its rows come to more than {} bytes, with the key and the headers of each; send fewer a message",
          most_bytes);
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace tiderace
