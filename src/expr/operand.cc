#include "expr/operand.h"

#include <fmt/format.h>

#include "expr/text/spelling.h"

namespace tiderace {
namespace {

/// At most about 40 characters of `text`, never half a character.
std::string shortened(std::string_view text) {
  constexpr std::size_t limit = 40;
  if (text.size() <= limit) return std::string(text);
  std::size_t end = limit;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return std::string(text.substr(0, end)) + "...";
}

}  // namespace

Column expanded(const Operand& operand, std::size_t size) {
  return operand.constant() ? Column::repeat(operand.column(), 0, size) : operand.column();
}

std::string description(const Column& column, std::size_t i) {
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
      return "an invalid value";
  }
  return "?";
}

void report_type(RowErrors& errors, std::size_t row, std::string_view operation, std::string_view wanted,
                 const Operand& found) {
  errors.add(
      row, BadRowKind::type,
      fmt::format("{}: wanted {}, found {}", operation, wanted, description(found.column(), found.at(row))));
}

}  // namespace tiderace
