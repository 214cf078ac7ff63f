#pragma once

#include <cstdint>

#include "columnar/kind.h"

namespace tiderace {

/// What a moving window computes. The names are those of the methods, of plan text and of metrics.
enum class Aggregate : std::uint8_t { mean, sum, min, max, count, std, var };

/// The name of `aggregate`, for example `"mean"`.
[[nodiscard]] const char* to_string(Aggregate aggregate) noexcept;

/// The kinds that `aggregate` over values of `input` can have (beside null).
[[nodiscard]] KindMask result_kinds(Aggregate aggregate, KindMask input) noexcept;

}  // namespace tiderace
