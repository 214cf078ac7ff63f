#pragma once

#include <bit>
#include <string_view>

#include "columnar/kind.h"
#include "formats/json/instructions.h"
#include "formats/json/text.h"

/// Numbers: their grammar, and their values, always correctly rounded. Scanners as in text.h.
namespace tiderace::json {

/// A number's value as a column holds it: an int64 without `.` and exponent (but `-0`), else a float64;
/// `invalid` beyond their range.
struct Number {
  Kind kind;
  std::uint64_t payload;
};

constexpr bool starts_number(Byte c) noexcept {
  return c == '-' || is_digit(c);
}

/// Behind the number at `p`; reads nothing behind `end`. Sets `is_float` if it has a `.` or an exponent.
[[nodiscard]] const Byte* number_end_careful(const Byte* p, const Byte* end, bool& is_float) noexcept;
/// The value of the well-formed number `text`.
[[nodiscard]] Number number_of(std::string_view text, bool is_float) noexcept;
/// The value of the well-formed number `text` as a double, infinite if it is beyond that.
[[nodiscard]] double double_of(std::string_view text) noexcept;
/// What `read_number` and `number_end` leave alone: long, with an exponent, malformed. `number` may be null.
[[nodiscard]] const Byte* read_number_careful(const Byte* p, const Byte* end, Number* number) noexcept;

/// The number of `count` digits (1 to 8) at `p`; reads 8 bytes.
TIDERACE_INLINE std::uint64_t digits_value(const Byte* p, unsigned count) noexcept {
  std::uint64_t word;
  std::memcpy(&word, p, sizeof word);
  word = (word ^ 0x3030303030303030) << ((8 - count) * 8);  // leading zeros for those that are missing
  word = word * 10 + (word >> 8);
  return (((word & 0x000000ff000000ff) * 0x000f424000000064) +
          (((word >> 16) & 0x000000ff000000ff) * 0x0000271000000001)) >>
         32;
}

constexpr std::uint64_t powers_of_ten[] = {1,       10,        100,        1'000,      10'000,
                                           100'000, 1'000'000, 10'000'000, 100'000'000};

/// What the two fast scanners below learn from one mask: where the parts of a short number end.
struct NumberParts {
  unsigned negative;     ///< 0 or 1
  unsigned integer_end;  ///< 16 if the digits do not end within the mask
  std::uint32_t behind;  ///< the mask without the first byte that is no digit
  bool careful;          ///< no digit, a leading zero, or too long to tell
};

template <class Instructions>
TIDERACE_INLINE NumberParts number_parts(const Byte* p) noexcept {
  const std::uint32_t stops = Instructions::non_digits(p) | 0x10000;
  const std::uint32_t negative = stops & 1;  // the first byte is a digit or `-`
  const std::uint32_t mask = stops & ~1u;
  const auto integer_end = static_cast<unsigned>(std::countr_zero(mask));
  const unsigned digits = integer_end - negative;
  // No `&&` and `||`: how a number begins is anybody's guess, and a wrong guess costs more than all three
  // questions.
  const bool leading_zero = ((p[negative] ^ '0') | static_cast<int>(digits == 1)) == 0;
  const int careful =
      static_cast<int>(integer_end == 16) | static_cast<int>(digits == 0) | static_cast<int>(leading_zero);
  return {negative, integer_end, mask & (mask - 1), careful != 0};
}

/// Behind the number at `p`, whose first byte is a digit or `-`. Padded; whatever follows a number must be
/// checked by the caller.
template <class Instructions>
TIDERACE_INLINE const Byte* number_end(const Byte* p, const Byte* end) noexcept {
  const NumberParts parts = number_parts<Instructions>(p);
  const Byte* stop = p + parts.integer_end;
  if (TIDERACE_UNLIKELY(parts.careful)) return read_number_careful(p, end, nullptr);
  if (*stop == '.') {
    const auto fraction_end = static_cast<unsigned>(std::countr_zero(parts.behind | 0x10000));
    stop = p + fraction_end;
    if (TIDERACE_UNLIKELY(fraction_end == parts.integer_end + 1 || fraction_end == 16 ||
                          (*stop | 0x20) == 'e')) {
      return read_number_careful(p, end, nullptr);
    }
    return stop;
  }
  if (TIDERACE_UNLIKELY((*stop | 0x20) == 'e')) return read_number_careful(p, end, nullptr);
  return stop;
}

// Keeps the address of `number` out of the call, so that the fast way holds it in registers.
TIDERACE_INLINE const Byte* read_number_apart(const Byte* p, const Byte* end, Number& number) noexcept {
  Number careful{Kind::null, 0};
  const Byte* stop = read_number_careful(p, end, &careful);
  number = careful;
  return stop;
}

/// The same, and its value. `number` is undefined where null is returned.
template <class Instructions>
TIDERACE_INLINE const Byte* read_number(const Byte* p, const Byte* end, Number& number) noexcept {
  const NumberParts parts = number_parts<Instructions>(p);
  if (TIDERACE_UNLIKELY(parts.careful)) return read_number_apart(p, end, number);
  const Byte* digits = p + parts.negative;
  const unsigned count = parts.integer_end - parts.negative;
  const Byte* stop = p + parts.integer_end;
  if (*stop == '.') {
    const auto fraction_end = static_cast<unsigned>(std::countr_zero(parts.behind | 0x10000));
    const unsigned decimals = fraction_end - parts.integer_end - 1;
    const bool longer = decimals - 1 >= 8 || fraction_end == 16 || count > 8;
    if (TIDERACE_UNLIKELY(longer || (p[fraction_end] | 0x20) == 'e'))
      return read_number_apart(p, end, number);
    const std::uint64_t scale = powers_of_ten[decimals];
    const std::uint64_t mantissa = digits_value(digits, count) * scale + digits_value(stop + 1, decimals);
    if (TIDERACE_UNLIKELY(mantissa > std::uint64_t{1} << 53)) return read_number_apart(p, end, number);
    // Both are exact doubles, so that the one division rounds correctly (Clinger's fast path).
    const double value = static_cast<double>(static_cast<std::int64_t>(mantissa)) /
                         static_cast<double>(static_cast<std::int64_t>(scale));
    number = {Kind::float64, std::bit_cast<std::uint64_t>(value) | static_cast<std::uint64_t>(parts.negative)
                                                                       << 63};
    return p + fraction_end;
  }
  if (TIDERACE_UNLIKELY((*stop | 0x20) == 'e')) return read_number_apart(p, end, number);
  std::uint64_t value;
  if (count <= 8) {
    value = digits_value(digits, count);
    if (TIDERACE_UNLIKELY(parts.negative & (value == 0)))
      return read_number_apart(p, end, number);  // -0 is a float
  } else {
    value = digits_value(digits, 8) * powers_of_ten[count - 8] + digits_value(digits + 8, count - 8);
  }
  number = {Kind::int64, parts.negative ? 0 - value : value};
  return stop;
}

}  // namespace tiderace::json
