#pragma once

#include <cstddef>

#include "expr/expression.h"
#include "expr/operand.h"

namespace tiderace {

/// `left op right` for `+ - * / // % **`. At most one operand is constant.
/// A null on either side gives null; anything but a number on either side, beside a null too, is a type
/// error. bool counts as 0 or 1. int with int stays int (`/` and a negative power apart) and becomes float64
/// where the exact result is beyond int64; a division by zero gives an infinity or null, `// %` round towards
/// minus infinity.
[[nodiscard]] Column arithmetic(BinaryOperator op, const Operand& left, const Operand& right,
                                std::size_t size, RowErrors& errors);

}  // namespace tiderace
