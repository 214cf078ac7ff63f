#pragma once

#include <cstddef>
#include <cstdint>

#include "columnar/describe.h"

namespace tiderace::json {

/// More than any number takes.
constexpr std::size_t max_number_bytes = max_double_bytes;

/// Writes `value` to `out`, at most `max_number_bytes`, and returns the position behind it; for doubles see
/// `write_double` in columnar/describe.h.
[[nodiscard]] char* write_int64(char* out, std::int64_t value) noexcept;

}  // namespace tiderace::json
