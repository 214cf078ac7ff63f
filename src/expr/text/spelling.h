#pragma once

#include <string>
#include <string_view>

#include "expr/expression.h"

namespace tiderace {

/// How users write an operation: `+`, `abs`, `str.lower`. The same in plan text and in messages.
[[nodiscard]] std::string_view spelling(UnaryOperator op) noexcept;
[[nodiscard]] std::string_view spelling(BinaryOperator op) noexcept;
[[nodiscard]] std::string_view spelling(MatchKind kind) noexcept;

/// `text` as a string literal that is both Python and JSON.
[[nodiscard]] std::string quoted(std::string_view text);
/// The shortest text that reads back as `value`, always recognisable as a float: `2.0`, `1e+300`, `inf`.
[[nodiscard]] std::string float_text(double value);
/// A constant as Python writes it: `None True 2 2.0 "a" float("inf")`.
[[nodiscard]] std::string to_text(const Scalar& value);

}  // namespace tiderace
