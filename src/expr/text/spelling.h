#pragma once

#include <string>
#include <string_view>

#include "columnar/describe.h"
#include "expr/expression.h"

namespace tiderace {

/// How users write an operation: `+`, `abs`, `str.lower`. The same in plan text and in messages.
[[nodiscard]] std::string_view spelling(UnaryOperator op) noexcept;
[[nodiscard]] std::string_view spelling(BinaryOperator op) noexcept;
[[nodiscard]] std::string_view spelling(MatchKind kind) noexcept;

/// A constant as Python writes it: `None True 2 2.0 "a" float("inf")`.
[[nodiscard]] std::string to_text(const Scalar& value);

}  // namespace tiderace
