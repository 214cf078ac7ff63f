#include "expr/operand.h"

#include <fmt/format.h>

namespace tiderace {
Column expanded(const Operand& operand, std::size_t size) {
  return operand.constant() ? Column::repeat(operand.column(), 0, size) : operand.column();
}

void report_type(RowErrors& errors, std::size_t row, std::string_view operation, std::string_view wanted,
                 const Operand& found) {
  errors.add(
      row, BadRowKind::type,
      fmt::format("{}: wanted {}, found {}", operation, wanted, describe(found.column(), found.at(row))));
}

}  // namespace tiderace
