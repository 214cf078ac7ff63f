#include "columnar/describe.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cmath>

#include "columnar/invalid.h"

namespace tiderace {

std::string shortened(std::string_view text) {
  constexpr std::size_t limit = 40;
  if (text.size() <= limit) return std::string(text);
  std::size_t end = limit;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return std::string(text.substr(0, end)) + "...";
}

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\')
      (out += '\\') += c;
    else if (c == '\n')
      out += "\\n";
    else if (c == '\r')
      out += "\\r";
    else if (c == '\t')
      out += "\\t";
    else if (static_cast<unsigned char>(c) < 0x20)
      out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
    else
      out += c;
  }
  return out + '"';
}

char* write_double(char* out, double value) noexcept {
  char* const end = std::to_chars(out, out + max_double_bytes, value).ptr;
  for (const char* p = out; p != end; ++p) {
    if (*p == '.' || *p == 'e') return end;
  }
  // Written out, a double beyond 2^53 may have more digits than it needs to be told from its neighbours.
  constexpr std::ptrdiff_t most_digits = 17;
  if (end - out > most_digits + (value < 0 ? 1 : 0))
    return std::to_chars(out, out + max_double_bytes, value, std::chars_format::scientific).ptr;
  end[0] = '.';
  end[1] = '0';
  return end + 2;
}

std::string float_text(double value) {
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  if (std::isnan(value)) return "nan";
  std::array<char, max_double_bytes> buffer;
  return {buffer.data(), write_double(buffer.data(), value)};
}

std::string describe(const Column& column, std::size_t i) {
  switch (column.kind(i)) {
    case Kind::null:
      return "null";
    case Kind::boolean:
      return column.boolean(i) ? "true" : "false";
    case Kind::int64:
      return fmt::format("the number {}", column.int64(i));
    case Kind::float64:
      return "the number " + float_text(column.float64(i));
    case Kind::string:
      return "the string " + quoted(shortened(column.text(i)));
    case Kind::bytes:
      return fmt::format("{} bytes", column.text(i).size());
    case Kind::nested:
      return "the nested value " + shortened(column.text(i));
    case Kind::invalid:
      return std::string(invalid_view(column, i).message);
  }
  return "?";
}

}  // namespace tiderace
