#include "plan/offset.h"

#include <fmt/format.h>

#include <array>
#include <cctype>
#include <optional>

#include "base/error.h"

namespace tiderace {
namespace {

struct Unit {
  std::string_view name;
  std::int64_t nanoseconds;
};

constexpr std::int64_t second = 1'000'000'000;
constexpr std::array<Unit, 7> units{{{"d", 86'400 * second},
                                     {"h", 3'600 * second},
                                     {"min", 60 * second},
                                     {"s", second},
                                     {"ms", 1'000'000},
                                     {"us", 1'000},
                                     {"ns", 1}}};

[[noreturn]] void refuse(std::string_view text, std::string_view why) {
  throw_error(ErrorKind::plan,
              "\"{}\" is not a length of time: {}. Taken are a number and one of ns, us, ms, s, min, h, d, "
              "for example \"500ms\", "
              "\"10s\", \"5min\", \"1h30min\", \"1.5s\" (months and years have no fixed length)",
              text, why);
}

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

std::optional<std::int64_t> unit_of(std::string_view name) {
  if (name == "D") name = "d";
  for (const Unit& unit : units) {
    if (unit.name == name) return unit.nanoseconds;
  }
  return std::nullopt;
}

/// `whole` and `fraction` are digits; false if the product is no whole number of nanoseconds or too large.
bool multiply(std::string_view whole, std::string_view fraction, std::int64_t unit, std::int64_t& result) {
  std::int64_t total = whole.empty() && fraction.empty() ? unit : 0;
  for (const char digit : whole) {
    if (__builtin_mul_overflow(total, std::int64_t{10}, &total)) return false;
    if (__builtin_add_overflow(total, (digit - '0') * unit, &total)) return false;
  }
  std::int64_t part = unit;
  for (const char digit : fraction) {
    if (digit == '0' && part % 10 != 0) continue;
    if (part % 10 != 0) return false;
    part /= 10;
    if (__builtin_add_overflow(total, (digit - '0') * part, &total)) return false;
  }
  result = total;
  return true;
}

}  // namespace

std::int64_t parse_offset(std::string_view text) {
  std::int64_t total = 0;
  std::size_t at = 0;
  const auto skip = [&](auto&& wanted) {
    const std::size_t begin = at;
    while (at < text.size() && wanted(text[at])) ++at;
    return text.substr(begin, at - begin);
  };
  const auto is_space = [](char c) { return c == ' '; };
  const auto is_letter = [](char c) { return std::isalpha(static_cast<unsigned char>(c)) != 0; };
  bool negative = false;
  skip(is_space);
  if (at < text.size() && (text[at] == '-' || text[at] == '+')) negative = text[at++] == '-';
  if (at == text.size()) refuse(text, "it is empty");
  while (at < text.size()) {
    const std::string_view whole = skip(is_digit);
    std::string_view fraction;
    if (at < text.size() && text[at] == '.') {
      ++at;
      fraction = skip(is_digit);
      if (whole.empty() && fraction.empty()) refuse(text, "a \".\" stands without digits");
    }
    skip(is_space);
    const std::string_view name = skip(is_letter);
    if (name.empty())
      refuse(text, at < text.size() ? fmt::format("found \"{}\"", text.substr(at)) : "the unit is missing");
    const std::optional<std::int64_t> unit = unit_of(name);
    if (!unit) refuse(text, fmt::format("found the unit \"{}\"", name));
    std::int64_t part = 0;
    if (!multiply(whole, fraction, *unit, part))
      refuse(text, "it is too long, or no whole number of nanoseconds");
    if (__builtin_add_overflow(total, part, &total)) refuse(text, "it is too long");
    skip(is_space);
  }
  return negative ? -total : total;
}

std::string format_offset(std::int64_t nanoseconds) {
  if (nanoseconds == 0) return "0s";
  for (const Unit& unit : units) {
    if (nanoseconds % unit.nanoseconds == 0)
      return fmt::format("{}{}", nanoseconds / unit.nanoseconds, unit.name);
  }
  return fmt::format("{}ns", nanoseconds);
}

}  // namespace tiderace
