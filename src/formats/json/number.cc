#include "formats/json/number.h"

#include <fast_float/fast_float.h>

#include <charconv>
#include <cmath>

namespace tiderace::json {
namespace {

// Behind the digits at `p`; null if there are none.
const Byte* digits_end(const Byte* p, const Byte* end) noexcept {
  const Byte* begin = p;
  while (p < end && is_digit(*p)) ++p;
  return p == begin ? nullptr : p;
}

}  // namespace

const Byte* number_end_careful(const Byte* p, const Byte* end, bool& is_float) noexcept {
  is_float = false;
  if (p < end && *p == '-') ++p;
  const Byte* begin = p;
  p = digits_end(p, end);
  if (p == nullptr || (*begin == '0' && p - begin > 1)) return nullptr;
  if (p < end && *p == '.') {
    is_float = true;
    p = digits_end(p + 1, end);
    if (p == nullptr) return nullptr;
  }
  if (p < end && (*p | 0x20) == 'e') {
    is_float = true;
    ++p;
    if (p < end && (*p == '+' || *p == '-')) ++p;
    p = digits_end(p, end);
  }
  return p;
}

double double_of(std::string_view text) noexcept {
  double value = 0;
  // Whatever it returns beside the value (out of range, in some versions) the value tells as well.
  fast_float::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

Number number_of(std::string_view text, bool is_float) noexcept {
  if (!is_float && text != "-0") {
    std::int64_t value = 0;
    const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
    if (result.ec != std::errc()) return {Kind::invalid, 0};
    return {Kind::int64, static_cast<std::uint64_t>(value)};
  }
  const double value = double_of(text);
  if (std::isinf(value)) return {Kind::invalid, 0};
  return {Kind::float64, std::bit_cast<std::uint64_t>(value)};
}

const Byte* read_number_careful(const Byte* p, const Byte* end, Number* number) noexcept {
  bool is_float = false;
  const Byte* stop = number_end_careful(p, end, is_float);
  if (stop != nullptr && number != nullptr) {
    *number = number_of({reinterpret_cast<const char*>(p), static_cast<std::size_t>(stop - p)}, is_float);
  }
  return stop;
}

}  // namespace tiderace::json
