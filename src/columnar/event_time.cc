#include "columnar/event_time.h"

#include <fmt/format.h>

#include <chrono>
#include <cmath>

#include "columnar/describe.h"

namespace tiderace {
namespace {

std::int64_t ns_per(TimestampUnit unit) noexcept {
  switch (unit) {
    case TimestampUnit::s:
      return 1'000'000'000;
    case TimestampUnit::ms:
      return ns_per_ms;
    case TimestampUnit::us:
      return 1'000;
    case TimestampUnit::ns:
      return 1;
    case TimestampUnit::iso8601:
      break;
  }
  return 0;
}

std::optional<std::int64_t> scaled(std::int64_t value, std::int64_t factor) noexcept {
  std::int64_t ns = 0;
  if (value < 0 || __builtin_mul_overflow(value, factor, &ns)) return std::nullopt;
  return ns;
}

std::optional<std::int64_t> scaled(double value, std::int64_t factor) noexcept {
  if (!(value >= 0) || value >= 9.3e18) return std::nullopt;
  // The whole part and the fraction apart: their product with the factor would not fit a double's 53 bits.
  const double whole = std::floor(value);
  const auto ns = scaled(static_cast<std::int64_t>(whole < 9.2e18 ? whole : 9.2e18), factor);
  if (!ns) return std::nullopt;
  const auto rest = static_cast<std::int64_t>(std::floor((value - whole) * static_cast<double>(factor)));
  std::int64_t sum = 0;
  if (__builtin_add_overflow(*ns, rest, &sum)) return std::nullopt;
  return sum;
}

/// Takes exactly `digits` digits off `text`.
std::optional<int> take_digits(std::string_view& text, std::size_t digits) noexcept {
  if (text.size() < digits) return std::nullopt;
  int value = 0;
  for (std::size_t i = 0; i < digits; ++i) {
    if (text[i] < '0' || text[i] > '9') return std::nullopt;
    value = value * 10 + (text[i] - '0');
  }
  text.remove_prefix(digits);
  return value;
}

bool take(std::string_view& text, char wanted) noexcept {
  if (text.empty() || text.front() != wanted) return false;
  text.remove_prefix(1);
  return true;
}

std::optional<std::int64_t> take_fraction_ns(std::string_view& text) noexcept {
  std::int64_t ns = 0;
  std::int64_t unit = 100'000'000;
  std::size_t digits = 0;
  for (; digits < text.size() && text[digits] >= '0' && text[digits] <= '9'; ++digits) {
    ns += (text[digits] - '0') * unit;
    unit /= 10;
  }
  if (digits == 0) return std::nullopt;
  text.remove_prefix(digits);
  return ns;
}

/// `Z`, `+01:00`, `+0100`, `+01` or nothing, as seconds east of UTC; the text must end there.
std::optional<int> take_zone(std::string_view text) noexcept {
  if (text.empty() || text == "Z" || text == "z") return 0;
  const int sign = text.front() == '-' ? -1 : 1;
  if (!take(text, '+') && !take(text, '-')) return std::nullopt;
  const auto hours = take_digits(text, 2);
  if (!hours || *hours > 23) return std::nullopt;
  if (text.empty()) return sign * *hours * 3600;
  take(text, ':');
  const auto minutes = take_digits(text, 2);
  if (!minutes || *minutes > 59 || !text.empty()) return std::nullopt;
  return sign * (*hours * 3600 + *minutes * 60);
}

std::optional<std::int64_t> take_time_of_day_ns(std::string_view& text) noexcept {
  const auto hour = take_digits(text, 2);
  if (!hour || *hour > 23 || !take(text, ':')) return std::nullopt;
  const auto minute = take_digits(text, 2);
  if (!minute || *minute > 59) return std::nullopt;
  std::int64_t ns = (*hour * 3600LL + *minute * 60LL) * 1'000'000'000LL;
  if (!take(text, ':')) return ns;
  const auto second = take_digits(text, 2);
  if (!second || *second > 59) return std::nullopt;
  ns += *second * 1'000'000'000LL;
  if (!take(text, '.') && !take(text, ',')) return ns;
  const auto fraction = take_fraction_ns(text);
  if (!fraction) return std::nullopt;
  return ns + *fraction;
}

std::optional<std::int64_t> time_of(const Column& column, std::size_t i, TimestampUnit unit) {
  if (unit == TimestampUnit::iso8601) {
    return column.kind(i) == Kind::string ? parse_iso8601(column.text(i)) : std::nullopt;
  }
  if (column.kind(i) == Kind::int64) return scaled(column.int64(i), ns_per(unit));
  if (column.kind(i) == Kind::float64) return scaled(column.float64(i), ns_per(unit));
  return std::nullopt;
}

std::string_view wanted_in(TimestampUnit unit) noexcept {
  switch (unit) {
    case TimestampUnit::s:
      return "a number of seconds since 1970 (up to the year 2262)";
    case TimestampUnit::ms:
      return "a number of milliseconds since 1970 (up to the year 2262)";
    case TimestampUnit::us:
      return "a number of microseconds since 1970 (up to the year 2262)";
    case TimestampUnit::ns:
      return "a number of nanoseconds since 1970 (up to the year 2262)";
    case TimestampUnit::iso8601:
      break;
  }
  return "an ISO 8601 time between 1970 and 2262";
}

}  // namespace

std::optional<std::int64_t> ms_to_ns(std::int64_t ms) noexcept {
  return scaled(ms, ns_per_ms);
}

std::optional<std::int64_t> parse_iso8601(std::string_view text) noexcept {
  const auto year = take_digits(text, 4);
  if (!year || !take(text, '-')) return std::nullopt;
  const auto month = take_digits(text, 2);
  if (!month || !take(text, '-')) return std::nullopt;
  const auto day = take_digits(text, 2);
  if (!day) return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year(*year),
                                         std::chrono::month(static_cast<unsigned>(*month)),
                                         std::chrono::day(static_cast<unsigned>(*day))};
  if (!date.ok()) return std::nullopt;
  const std::int64_t days = std::chrono::sys_days(date).time_since_epoch().count();
  std::int64_t of_day = 0;
  int zone_seconds = 0;
  if (!text.empty()) {
    if (!take(text, 'T') && !take(text, 't') && !take(text, ' ')) return std::nullopt;
    const auto time = take_time_of_day_ns(text);
    const auto zone = time ? take_zone(text) : std::nullopt;
    if (!zone) return std::nullopt;
    of_day = *time;
    zone_seconds = *zone;
  }
  std::int64_t ns = 0;
  if (__builtin_mul_overflow(days * 86400 - zone_seconds, std::int64_t{1'000'000'000}, &ns))
    return std::nullopt;
  if (__builtin_add_overflow(ns, of_day, &ns) || ns < 0) return std::nullopt;
  return ns;
}

std::vector<std::int64_t> event_times(const Column& column, TimestampUnit unit, std::string_view field,
                                      RowErrors& errors) {
  std::vector<std::int64_t> times(column.size());
  const std::int64_t factor = ns_per(unit);
  for (std::size_t i = 0; i < times.size(); ++i) {
    if (column.kind(i) == Kind::int64 && factor != 0 && column.int64(i) >= 0 &&
        !__builtin_mul_overflow(column.int64(i), factor, &times[i])) {
      continue;
    }
    const auto time = time_of(column, i, unit);
    times[i] = time.value_or(0);
    if (time) continue;
    const char* advice = unit != TimestampUnit::iso8601 && column.kind(i) == Kind::string
                             ? "; texts such as \"2026-11-23 10:00:00\" want timestamp_unit=\"iso8601\""
                             : "";
    errors.add(i, BadRowKind::timestamp,
               fmt::format("wanted {} in the field \"{}\", found {}{}", wanted_in(unit), field,
                           describe(column, i), advice));
  }
  return times;
}

std::vector<std::int64_t> scaled_event_times(const Column& column, std::int64_t unit_ns,
                                             std::string_view field, RowErrors& errors) {
  std::vector<std::int64_t> times(column.size(), 0);
  for (std::size_t i = 0; i < times.size(); ++i) {
    const bool good = column.kind(i) == Kind::int64 && column.int64(i) >= 0 &&
                      !__builtin_mul_overflow(column.int64(i), unit_ns, &times[i]);
    if (good) continue;
    times[i] = 0;
    errors.add(i, BadRowKind::timestamp,
               fmt::format("wanted a time between 1970 and 2262 in the column \"{}\", found {}", field,
                           describe(column, i)));
  }
  return times;
}

}  // namespace tiderace
