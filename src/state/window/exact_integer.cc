#include "state/window/exact_integer.h"

namespace tiderace {

double round_to_double(std::uint64_t top, bool sticky, int exponent) noexcept {
  if (top == 0) return 0.0;
  const int leading = exponent + 63 - std::countl_zero(top);  // of the highest bit
  if (leading < -1022) {
    // The last bit of the result stands at 2^-1074: cut there ourselves, since the machine would have rounded
    // before.
    const int drop = -1074 - exponent;
    if (drop > 0) {
      const std::uint64_t kept = drop < 64 ? top >> drop : 0;
      const std::uint64_t half = drop <= 64 ? 1ull << (drop - 1) : 0;
      const std::uint64_t below = drop < 64 ? top & ((1ull << drop) - 1) : top;
      const bool up = half != 0 && (below > half || (below == half && (sticky || (kept & 1) != 0)));
      return std::ldexp(static_cast<double>(kept + (up ? 1 : 0)), -1074);
    }
  }
  // 63 bits and the rest as the lowest one: the conversion rounds once, half to even.
  const int shift = std::countl_zero(top);
  const std::uint64_t normalised = top << shift;
  const auto value = static_cast<std::int64_t>(normalised >> 1 | (normalised & 1) | (sticky ? 1 : 0));
  const int scale = exponent - shift + 1;
  if (scale > -1022 && leading < 1022) {
    return static_cast<double>(value) * std::bit_cast<double>(static_cast<std::uint64_t>(scale + 1023) << 52);
  }
  return std::ldexp(static_cast<double>(value), scale);
}

}  // namespace tiderace
