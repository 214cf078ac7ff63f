#pragma once

#include <cstddef>
#include <span>

#include "expr/expression.h"
#include "expr/operand.h"

namespace tiderace {

/// Kleene's `&` and `|`: null is "not known", so `false & null` is false and `true | null` is true. At most
/// one operand is constant. Anything but a boolean on either side is a type error.
[[nodiscard]] Column kleene(BinaryOperator op, const Operand& left, const Operand& right, std::size_t size,
                            RowErrors& errors);

/// Kleene's `~`.
[[nodiscard]] Column invert(const Operand& argument, RowErrors& errors);

/// Whether each row is null (`nulls` true) or is not.
[[nodiscard]] Column null_test(const Operand& argument, bool nulls);

/// Which operand a row takes its value from.
enum class Branch : std::uint8_t { then, otherwise };

/// The branch of every row by a condition: null takes none; anything but a boolean is a type error and takes
/// none.
[[nodiscard]] Buffer<Branch> branches(const Operand& condition, std::size_t size, RowErrors& errors);

/// Every row from the operand that its branch names, with the kind it has there; null for none.
[[nodiscard]] Column choose(const Buffer<Branch>& branches, const Operand& then, const Operand& otherwise);

}  // namespace tiderace
