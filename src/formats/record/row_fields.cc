#include "formats/record/row_fields.h"

#include <fmt/format.h>

#include <cmath>

#include "columnar/invalid.h"
#include "formats/json/encoder.h"

namespace tiderace {
namespace {

// The engine's event times are nanoseconds in 64 bits; what lies beyond would be a bad row there.
constexpr std::int64_t max_timestamp_ms = 9'223'372'036'854;
constexpr std::size_t shown_characters = 40;

std::string complain(const Column& column, std::size_t i, const std::string& name, std::string_view wanted) {
  if (column.kind(i) == Kind::invalid) {
    return fmt::format("wanted {} in field \"{}\": {}", wanted, name, invalid_view(column, i).message);
  }
  std::string found;
  append_json_value(found, column, i, NotFinite::as_word);
  if (found.size() > shown_characters) found = found.substr(0, shown_characters) + "...";
  if (column.is_null(i)) found = "null or nothing";
  return fmt::format("wanted {} in field \"{}\", found {}", wanted, name, found);
}

}  // namespace

Field<std::string> key_of(const Column& column, std::size_t i, const std::string& name) {
  switch (column.kind(i)) {
    case Kind::string:
      return {std::string(column.text(i)), {}};
    case Kind::int64:
      return {std::to_string(column.int64(i)), {}};
    case Kind::null:
    case Kind::boolean:
    case Kind::float64:
    case Kind::bytes:
    case Kind::nested:
    case Kind::invalid:
      break;
  }
  return {{}, complain(column, i, name, "a string or an integer for the key")};
}

Field<std::int64_t> timestamp_of(const Column& column, std::size_t i, const std::string& name) {
  const Kind kind = column.kind(i);
  if (kind == Kind::int64 && column.int64(i) >= 0 && column.int64(i) <= max_timestamp_ms) {
    return {column.int64(i), {}};
  }
  if (kind == Kind::float64 && column.float64(i) >= 0 &&
      column.float64(i) <= static_cast<double>(max_timestamp_ms)) {
    return {static_cast<std::int64_t>(std::floor(column.float64(i))), {}};
  }
  return {{}, complain(column, i, name, "milliseconds since 1970 for the timestamp")};
}

Field<std::optional<std::string>> text_of(const Column& column, std::size_t i, const std::string& name) {
  if (column.is_null(i)) return {};
  if (column.kind(i) == Kind::string) return {std::string(column.text(i)), {}};
  if (column.kind(i) == Kind::invalid) return {{}, complain(column, i, name, "a value for a header")};
  std::string text;
  append_json_value(text, column, i, NotFinite::as_word);
  return {std::move(text), {}};
}

}  // namespace tiderace
