#pragma once

#include <tiderace/options.h>

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "columnar/batch.h"

namespace tiderace {

/// Event times lie in [0, INT64_MAX] nanoseconds since 1970 (UTC), so up to the year 2262.
constexpr std::int64_t ns_per_ms = 1'000'000;

/// Rounds down, also for what lies before 1970.
constexpr std::int64_t floor_ms(std::int64_t ns) noexcept {
  return ns / ns_per_ms - (ns % ns_per_ms < 0 ? 1 : 0);
}

/// `ms` as nanoseconds; nullopt if negative or out of range.
[[nodiscard]] std::optional<std::int64_t> ms_to_ns(std::int64_t ms) noexcept;

/// A date, or a date and a time of ISO 8601: `2026-11-23`, `2026-11-23T10:00`, `2026-11-23
/// 10:00:00.123456789+01:00`; without a zone it is UTC; digits beyond nanoseconds are cut off. Nullopt if it
/// is none, or out of range.
[[nodiscard]] std::optional<std::int64_t> parse_iso8601(std::string_view text) noexcept;

/// The event time in nanoseconds of every value of `column`, numbers in `unit` (a fraction is rounded down)
/// or ISO 8601 strings. A value that has none is added to `errors` (kind timestamp) and gets 0.
[[nodiscard]] std::vector<std::int64_t> event_times(const Column& column, TimestampUnit unit,
                                                    std::string_view field, RowErrors& errors);

/// Event times of int64 values that count units of `unit_ns`. A row that is null, of another kind, negative
/// or beyond what int64 nanoseconds hold is reported (timestamp) and gets 0.
[[nodiscard]] std::vector<std::int64_t> scaled_event_times(const Column& column, std::int64_t unit_ns,
                                                           std::string_view field, RowErrors& errors);

}  // namespace tiderace
