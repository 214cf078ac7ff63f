#include "formats/json/append.h"

#include <charconv>
#include <cmath>

#include "formats/json/encoder.h"
#include "formats/json/instructions.h"

namespace tiderace {
namespace json {

char* write_int64(char* out, std::int64_t value) noexcept {
  return std::to_chars(out, out + max_number_bytes, value).ptr;
}

namespace {

constexpr bool needs_escape(char c) noexcept {
  return static_cast<Byte>(c) < 0x20 || c == '"' || c == '\\';
}

void append_escape(std::string& out, char c) {
  constexpr char digits[] = "0123456789abcdef";
  switch (c) {
    case '"':
      out += "\\\"";
      return;
    case '\\':
      out += "\\\\";
      return;
    case '\b':
      out += "\\b";
      return;
    case '\f':
      out += "\\f";
      return;
    case '\n':
      out += "\\n";
      return;
    case '\r':
      out += "\\r";
      return;
    case '\t':
      out += "\\t";
      return;
    default:
      out += "\\u00";
      out += digits[static_cast<Byte>(c) >> 4];
      out += digits[static_cast<Byte>(c) & 15];
  }
}

void append_base64(std::string& out, std::string_view bytes) {
  constexpr char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  out += '"';
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t present = std::min<std::size_t>(3, bytes.size() - i);
    std::uint32_t group = 0;
    for (std::size_t j = 0; j < 3; ++j)
      group = group << 8 | (j < present ? static_cast<Byte>(bytes[i + j]) : 0u);
    for (std::size_t j = 0; j < 4; ++j) out += j <= present ? digits[group >> (18 - 6 * j) & 63] : '=';
  }
  out += '"';
}

void append_double(std::string& out, double value, NotFinite not_finite) {
  if (std::isfinite(value)) {
    append_json_double(out, value);
  } else if (not_finite != NotFinite::as_null && !std::isnan(value)) {
    out += value < 0 ? "-Infinity" : "Infinity";
  } else {
    out += "null";
  }
}

}  // namespace
}  // namespace json

void append_json_string(std::string& out, std::string_view text) {
  out += '"';
  while (!text.empty()) {
    std::size_t plain = 0;
    while (plain < text.size() && !json::needs_escape(text[plain])) ++plain;
    out.append(text.substr(0, plain));
    if (plain == text.size()) break;
    json::append_escape(out, text[plain]);
    text.remove_prefix(plain + 1);
  }
  out += '"';
}

void append_json_double(std::string& out, double value) {
  char buffer[json::max_number_bytes];
  out.append(buffer, write_double(buffer, value));
}

void append_json_value(std::string& out, const Column& column, std::size_t i, NotFinite not_finite) {
  switch (column.kind(i)) {
    case Kind::boolean:
      out += column.boolean(i) ? "true" : "false";
      return;
    case Kind::int64: {
      char buffer[json::max_number_bytes];
      out.append(buffer, json::write_int64(buffer, column.int64(i)));
      return;
    }
    case Kind::float64:
      json::append_double(out, column.float64(i), not_finite);
      return;
    case Kind::string:
      append_json_string(out, column.text(i));
      return;
    case Kind::bytes:
      json::append_base64(out, column.text(i));
      return;
    case Kind::nested:
      out.append(column.text(i));
      return;
    case Kind::null:
    case Kind::invalid:
      out += "null";
      return;
  }
}

}  // namespace tiderace
