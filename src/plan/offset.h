#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace tiderace {

/// The longest window that a plan takes: sums of two windows and a grace stay far inside int64 nanoseconds.
constexpr std::int64_t max_window_ns = std::int64_t{36500} * 86'400 * 1'000'000'000;

/// A length of time in pandas' words for fixed frequencies, in nanoseconds: `500ms 10s 5min 1h 1d 2D 1.5s
/// 1h30min`. May be zero or negative (the caller says what it takes). Throws Error{plan} that lists what is
/// taken.
[[nodiscard]] std::int64_t parse_offset(std::string_view text);

/// The shortest such text for `nanoseconds`: `10s`, `1min`, `1500ms`. One text a length.
[[nodiscard]] std::string format_offset(std::int64_t nanoseconds);

}  // namespace tiderace
