#include "formats/json/row_values.h"

#include <fmt/format.h>

#include <cmath>

#include "columnar/invalid.h"
#include "formats/json/text.h"

namespace tiderace::json {
namespace {

constexpr std::size_t shown_bytes = 40;

// At most `shown_bytes` of `text`, not cut inside a character.
std::string shortened(std::string_view text) {
  if (text.size() <= shown_bytes) return std::string(text);
  std::size_t size = shown_bytes;
  while (size > 0 && (static_cast<Byte>(text[size]) & 0xc0) == 0x80) --size;
  return std::string(text.substr(0, size)) + "...";
}

}  // namespace

std::string describe_value(std::string_view raw) {
  switch (raw.front()) {
    case '{':
      return "an object";
    case '[':
      return "an array";
    case '"':
      return "the string \"" + shortened(raw.substr(1, raw.size() - 2)) + '"';
    case 't':
    case 'f':
    case 'n':
      return std::string(raw);
    default:
      return "the number " + shortened(raw);
  }
}

// Whether a value of `kind` may go into the column of `field`; it may not if nobody reads it or another kind
// is declared.
bool RowValues::accepts(Field& field, Kind kind, std::string_view raw) {
  if (!field.read) return false;
  if (!field.declared || *field.declared == kind) return true;
  if (!fault_) {
    fault_ = {BadRowKind::type, fmt::format("field {}: wanted {}, found {} at byte {}", field.shown,
                                            to_string(*field.declared), describe_value(raw), position(raw))};
  }
  return false;
}

void RowValues::number(Field& field, Number value, std::string_view raw) {
  not_an_object(field, raw);
  if (!field.read) return;
  if (field.declared == Kind::float64 && value.kind != Kind::float64) {
    const double converted = double_of(raw);
    value = {std::isinf(converted) ? Kind::invalid : Kind::float64, std::bit_cast<std::uint64_t>(converted)};
  }
  if (value.kind == Kind::invalid) {
    const bool is_float = raw.find_first_of(".eE") != std::string_view::npos;
    const Kind range = is_float || field.declared == Kind::float64 ? Kind::float64 : Kind::int64;
    if (field.declared && !accepts(field, range, raw)) return;
    std::string message = fmt::format("field {}: found {} at byte {}, which is beyond {}", field.shown,
                                      describe_value(raw), position(raw), to_string(range));
    if (!field.declared) {
      set_invalid(*field.builder, row_, BadRowKind::range, message, raw);
    } else if (!fault_) {
      fault_ = {BadRowKind::range, std::move(message)};
    }
    return;
  }
  if (!accepts(field, value.kind, raw)) return;
  field.kinds[row_] = value.kind;
  field.values[row_] = value.payload;
}

void RowValues::string(Field& field, std::string_view raw, bool escaped) {
  not_an_object(field, raw);
  if (!accepts(field, Kind::string, raw)) return;
  const std::string_view body = raw.substr(1, raw.size() - 2);
  if (!escaped) {
    field.builder->set_text(row_, Kind::string, body);
    return;
  }
  unescaped_.clear();
  if (unescape(body, unescaped_)) {
    field.builder->set_text(row_, Kind::string, unescaped_);
    return;
  }
  set_invalid(*field.builder, row_, BadRowKind::parse,
              fmt::format("field {}: found {} at byte {}, with half a surrogate pair, which is no character",
                          field.shown, describe_value(raw), position(raw)),
              raw);
}

void RowValues::literal(Field& field, std::string_view raw) {
  if (raw.front() == 'n') return;
  not_an_object(field, raw);
  if (accepts(field, Kind::boolean, raw)) field.builder->set_boolean(row_, raw.front() == 't');
}

void RowValues::nested(Field& field, std::string_view raw) {
  if (raw.front() == '[') not_an_object(field, raw);
  if (accepts(field, Kind::nested, raw)) field.builder->set_text(row_, Kind::nested, raw);
}

void RowValues::duplicate(Field& field, std::string_view raw) {
  invalidate(field, row_, BadRowKind::parse,
             fmt::format("field {} stands more than once, again at byte {}", field.shown, position(raw)));
}

// Paths that lead through a value that is no object.
void RowValues::not_an_object(Field& field, std::string_view raw) {
  for (Field* child : field.children) {
    const std::string message = fmt::format("field {}: wanted an object in {}, found {} at byte {}",
                                            child->shown, field.shown, describe_value(raw), position(raw));
    if (child->declared && !fault_) fault_ = {BadRowKind::type, message};
    invalidate(*child, row_, BadRowKind::type, message);
  }
}

void RowValues::invalidate(Field& field, std::size_t row, BadRowKind kind, const std::string& message) {
  if (field.read) set_invalid(*field.builder, row, kind, message);
  for (Field* child : field.children) invalidate(*child, row, kind, message);
}

}  // namespace tiderace::json
