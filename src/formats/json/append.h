#pragma once

#include <cstddef>
#include <cstdint>

namespace tiderace::json {

/// More than any number takes.
constexpr std::size_t max_number_bytes = 32;

/// Write a number as in encoder.h to `out`, at most `max_number_bytes`, and return the position behind it.
[[nodiscard]] char* write_int64(char* out, std::int64_t value) noexcept;
[[nodiscard]] char* write_double(char* out, double value) noexcept;

}  // namespace tiderace::json
