#pragma once

#include <cstddef>

#include "expr/expression.h"
#include "expr/operand.h"

namespace tiderace {

/// `-x`, `abs`, `sqrt`, `exp`, `log` of a column. Null gives null, anything but a number is a type error.
/// Negation and abs keep an int (the lowest int64 becomes float64) and count a bool as 0 or 1; the others
/// give float64, and null where there is no result (`sqrt` of -1).
[[nodiscard]] Column numeric_unary(UnaryOperator op, const Operand& argument, RowErrors& errors);

/// pandas' `round`: to `decimals` places (negative: to tens, hundreds, ...), halves to even; an int stays
/// int.
[[nodiscard]] Column round_to(const Operand& argument, int decimals, RowErrors& errors);

/// `argument`, but `lower` where it is less and `upper` where it is more. A null bound does not bound; where
/// the bounds cross, `lower` wins. The result is float64 if the value or a bound of its row is, else int64.
/// Either bound may be absent (null pointer).
[[nodiscard]] Column clip(const Operand& argument, const Operand* lower, const Operand* upper,
                          std::size_t size, RowErrors& errors);

}  // namespace tiderace
