#pragma once

#include "expr/expression.h"
#include "expr/operand.h"

namespace tiderace {

/// `astype`: every row as `target` (boolean, int64, float64 or string). Null stays null. What cannot be
/// converted is a type error, what lies beyond the target a range error.
///
/// | from \ to | bool                              | int64                    | float64              | string
/// | | --------- | --------------------------------- | ------------------------ | -------------------- |
/// ----------------------------- | | bool      | itself                            | 0 or 1 | 0.0 or 1.0 |
/// `True`, `False`               | | int64     | whether it is not 0               | itself | the nearest |
/// decimal digits                | | float64   | whether it is not 0               | if it has no fraction |
/// itself               | shortest that reads back, `2.0` | | string    | `true True TRUE 1 1.0`, `false ...`
/// | decimal digits, a sign | a decimal number, `inf`, `nan` (null) | itself       | | bytes     | – | – | –
/// | if they are UTF-8             | | nested    | –                                 | – | – | its JSON text
/// |
///
/// Space around a number in a string is allowed.
[[nodiscard]] Column cast(const Operand& argument, Kind target, RowErrors& errors);

}  // namespace tiderace
