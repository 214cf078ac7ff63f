#pragma once

#include <cstdint>

#include "columnar/batch.h"

namespace tiderace {

/// The largest magnitude up to which every integer is a double.
constexpr std::int64_t exact_double_limit = std::int64_t{1} << 53;

enum class NumberUse : std::uint8_t {
  as_they_are,  ///< ints stay ints
  as_float64,   ///< a whole column is handed over: ints must fit a double, unless they are known to be int64
};

/// Adds to `errors` the rows of `column` that are not numbers or null (kind type), or, under `as_float64`,
/// ints beyond 2^53 (kind range, with the advice to declare the column). `known` is what the plan knows of
/// the column's kinds.
void check_numbers(const Column& column, KindMask known, NumberUse use, RowErrors& errors);

/// Adds to `errors` the rows of `column` that hold a value that cannot be used.
void check_valid(const Column& column, RowErrors& errors);

/// `column` as user code sees it: numbers as float64 unless known to be int64 or bool, text and nulls as they
/// are; what cannot be handed over is added to `errors`.
[[nodiscard]] Column handed_over(const Column& column, KindMask known, RowErrors& errors);

/// What a column of kinds `known` is where all of a batch is null: float64 unless it is known to hold
/// something else.
[[nodiscard]] Kind kind_when_empty(KindMask known) noexcept;

}  // namespace tiderace
