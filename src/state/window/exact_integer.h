#pragma once

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>

namespace tiderace {

/// A number mantissa · 2^exponent, exactly.
struct Dyadic {
  std::int64_t mantissa = 0;
  int exponent = 0;
};

/// A finite double, taken apart: |mantissa| < 2^53, -1074 <= exponent <= 971.
inline Dyadic split(double value) noexcept {
  const auto bits = std::bit_cast<std::uint64_t>(value);
  const auto field = static_cast<int>(bits >> 52 & 0x7ff);
  const std::uint64_t hidden = static_cast<std::uint64_t>(field != 0) << 52;
  const auto magnitude = static_cast<std::int64_t>((bits & ((1ull << 52) - 1)) | hidden);
  const std::int64_t sign = static_cast<std::int64_t>(bits) >> 63;  // 0 or -1
  return {(magnitude ^ sign) - sign, field - 1075 + (field == 0)};
}

/// top · 2^exponent, rounded once, half to even, to a double; `sticky` says that a little more than `top` is
/// meant. Subnormals are rounded where they end; what is too large is infinite.
[[nodiscard]] double round_to_double(std::uint64_t top, bool sticky, int exponent) noexcept;

/// A two's complement integer of `Limbs` · 64 bits, least significant limb first. The caller sees to it that
/// nothing overflows.
template <std::size_t Limbs>
struct ExactInteger {
  std::uint64_t limbs[Limbs] = {};

  [[nodiscard]] bool negative() const noexcept { return static_cast<std::int64_t>(limbs[Limbs - 1]) < 0; }
  [[nodiscard]] bool zero() const noexcept {
    std::uint64_t any = 0;
    for (const std::uint64_t limb : limbs) any |= limb;
    return any == 0;
  }

  void add(const ExactInteger& other) noexcept {
    unsigned __int128 carry = 0;
    for (std::size_t i = 0; i < Limbs; ++i) {
      carry += static_cast<unsigned __int128>(limbs[i]) + other.limbs[i];
      limbs[i] = static_cast<std::uint64_t>(carry);
      carry >>= 64;
    }
  }

  void negate() noexcept {
    unsigned __int128 carry = 1;
    for (std::uint64_t& limb : limbs) {
      carry += static_cast<std::uint64_t>(~limb);
      limb = static_cast<std::uint64_t>(carry);
      carry >>= 64;
    }
  }

  void subtract(ExactInteger other) noexcept {
    other.negate();
    add(other);
  }

  /// Adds value · 2^position.
  void add(__int128 value, unsigned position) noexcept {
    const std::size_t first = position / 64;
    const unsigned shift = position % 64;
    const auto low = static_cast<unsigned __int128>(value) << shift;
    const std::int64_t sign = value < 0 ? -1 : 0;
    const __int128 rest = shift == 0 ? static_cast<__int128>(sign) : value >> (128 - shift);
    const std::uint64_t parts[3] = {static_cast<std::uint64_t>(low), static_cast<std::uint64_t>(low >> 64),
                                    static_cast<std::uint64_t>(rest)};
    unsigned __int128 carry = 0;
    for (std::size_t i = first; i < Limbs; ++i) {
      const std::uint64_t part = i - first < 3 ? parts[i - first] : static_cast<std::uint64_t>(sign);
      carry += static_cast<unsigned __int128>(limbs[i]) + part;
      limbs[i] = static_cast<std::uint64_t>(carry);
      carry >>= 64;
    }
  }

  /// The double nearest to this · 2^exponent.
  [[nodiscard]] double round(int exponent) const noexcept {
    ExactInteger magnitude = *this;
    const bool minus = negative();
    if (minus) magnitude.negate();
    std::size_t top = Limbs;
    while (top > 0 && magnitude.limbs[top - 1] == 0) --top;
    if (top == 0) return 0.0;
    const std::uint64_t high = magnitude.limbs[top - 1];
    const std::uint64_t low = top > 1 ? magnitude.limbs[top - 2] : 0;
    const int shift = std::countl_zero(high);
    const std::uint64_t leading = shift == 0 ? high : high << shift | low >> (64 - shift);
    std::uint64_t rest = low << shift;
    for (std::size_t i = 0; i + 2 < top; ++i) rest |= magnitude.limbs[i];
    const double value =
        round_to_double(leading, rest != 0, exponent + static_cast<int>(top - 1) * 64 - shift);
    return minus ? -value : value;
  }
};

/// The same number with more limbs below and above: other · 2^(64 · `below`).
template <std::size_t To, std::size_t From>
ExactInteger<To> widened(const ExactInteger<From>& other, std::size_t below) noexcept {
  ExactInteger<To> wide;
  for (std::size_t i = 0; i < From; ++i) wide.limbs[below + i] = other.limbs[i];
  if (other.negative()) {
    for (std::size_t i = below + From; i < To; ++i) wide.limbs[i] = ~0ull;
  }
  return wide;
}

/// The square of `other`.
template <std::size_t Limbs>
ExactInteger<2 * Limbs> squared(ExactInteger<Limbs> other) noexcept {
  if (other.negative()) other.negate();
  ExactInteger<2 * Limbs> square;
  for (std::size_t i = 0; i < Limbs; ++i) {
    if (other.limbs[i] == 0) continue;
    std::uint64_t carry = 0;
    for (std::size_t j = 0; j < Limbs; ++j) {
      const unsigned __int128 product =
          static_cast<unsigned __int128>(other.limbs[i]) * other.limbs[j] + square.limbs[i + j] + carry;
      square.limbs[i + j] = static_cast<std::uint64_t>(product);
      carry = static_cast<std::uint64_t>(product >> 64);
    }
    square.limbs[i + Limbs] = carry;
  }
  return square;
}

/// `other`, which is not negative, times `factor`.
template <std::size_t To, std::size_t From>
ExactInteger<To> multiplied(const ExactInteger<From>& other, std::uint64_t factor) noexcept {
  static_assert(To > From);
  ExactInteger<To> product;
  std::uint64_t carry = 0;
  for (std::size_t i = 0; i < From; ++i) {
    const unsigned __int128 part = static_cast<unsigned __int128>(other.limbs[i]) * factor + carry;
    product.limbs[i] = static_cast<std::uint64_t>(part);
    carry = static_cast<std::uint64_t>(part >> 64);
  }
  product.limbs[From] = carry;
  return product;
}

}  // namespace tiderace
