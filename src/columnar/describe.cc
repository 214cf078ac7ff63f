#include "columnar/describe.h"

#include <fmt/format.h>

#include "columnar/invalid.h"

namespace tiderace {

std::string shortened(std::string_view text) {
  constexpr std::size_t limit = 40;
  if (text.size() <= limit) return std::string(text);
  std::size_t end = limit;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return std::string(text.substr(0, end)) + "...";
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
      return fmt::format("the number {}", column.float64(i));
    case Kind::string:
      return fmt::format("the string \"{}\"", shortened(column.text(i)));
    case Kind::bytes:
      return fmt::format("{} bytes", column.text(i).size());
    case Kind::nested:
      return fmt::format("the nested value {}", shortened(column.text(i)));
    case Kind::invalid:
      return std::string(invalid_view(column, i).message);
  }
  return "?";
}

}  // namespace tiderace
