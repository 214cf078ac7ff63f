#pragma once

#include <bit>
#include <cstdint>
#include <memory>

#include "columnar/aggregate.h"
#include "columnar/kind.h"
#include "state/window/exact_integer.h"

namespace tiderace {

/// One value of a window: boolean, int64, float64 (no NaN) or null; the payload as in a Column.
struct WindowValue {
  Kind kind = Kind::null;
  std::uint64_t payload = 0;

  [[nodiscard]] double float64() const noexcept { return std::bit_cast<double>(payload); }
  [[nodiscard]] std::int64_t int64() const noexcept { return static_cast<std::int64_t>(payload); }
};

/// Whether `a` < `b` as numbers, exactly, also where one is an int64 and the other a float64. Neither is
/// null.
[[nodiscard]] bool less(WindowValue a, WindowValue b) noexcept;

/// sum · 2^-128, rounded once, half to even: what `ExactInteger::round` gives, for the sums of the row path,
/// where nothing can overflow or be subnormal.
[[nodiscard]] inline double rounded_sum(const ExactInteger<4>& sum) noexcept {
  auto low = static_cast<unsigned __int128>(sum.limbs[1]) << 64 | sum.limbs[0];
  auto high = static_cast<unsigned __int128>(sum.limbs[3]) << 64 | sum.limbs[2];
  const bool negative = sum.negative();
  if (negative) {
    low = -low;
    high = ~high + (low == 0 ? 1 : 0);
  }
  int exponent = 0;
  if (high == 0) {
    if (low == 0) return 0.0;
    high = low;
    low = 0;
    exponent = -128;
  }
  const auto upper = static_cast<std::uint64_t>(high >> 64);
  const int shift =
      upper != 0 ? std::countl_zero(upper) : 64 + std::countl_zero(static_cast<std::uint64_t>(high));
  const unsigned __int128 leading = high << shift | (low >> (127 - shift)) >> 1;
  const unsigned __int128 rest = low << shift | (leading & ((static_cast<unsigned __int128>(1) << 65) - 1));
  const auto mantissa = static_cast<std::int64_t>(leading >> 65) | (rest != 0 ? 1 : 0);
  const auto field = static_cast<std::uint64_t>(exponent - shift + 65 + 1023);
  const double value = static_cast<double>(mantissa) * std::bit_cast<double>(field << 52);
  return negative ? -value : value;
}

/// Count, sum and sum of squares of the values in a range of rows, all exact, so that what is read from them
/// depends on the values alone, never on the way they came and went.
///
/// Sums are fixed-point numbers. Four limbs over 2^-128 hold the sum of all but extreme values, six over
/// 2^-256 that of their squares; a value that would not fit goes, as long as it is in the range, to integers
/// as wide as doubles are, on the heap.
class Moments {
 public:
  Moments() = default;
  Moments(const Moments& other);
  Moments(Moments&& other) noexcept = default;
  Moments& operator=(const Moments& other);
  Moments& operator=(Moments&& other) noexcept = default;
  ~Moments() = default;

  /// `squares`: whether `variance` will be asked for; the same in every call for one object.
  void add(WindowValue value, bool squares) { change(value, squares, 1); }
  /// Takes out a value that was added.
  void remove(WindowValue value, bool squares) { change(value, squares, -1); }
  void add(const Moments& other);

  /// Values that are not null.
  [[nodiscard]] std::uint32_t count() const noexcept { return count_; }
  [[nodiscard]] bool any_float() const noexcept { return floats_ != 0; }

  /// The sum by the rules for `int ∘ int`; null if nothing was added or infinities cancel.
  [[nodiscard]] WindowValue sum() const noexcept;
  /// The rounded sum divided by the count; null likewise.
  [[nodiscard]] WindowValue mean() const noexcept {
    if (count_ == 0 || wide_ || (plus_infinities_ | minus_infinities_) != 0) [[unlikely]]
      return unusual_mean();
    return {Kind::float64, std::bit_cast<std::uint64_t>(rounded_sum(sum_) / count_)};
  }
  /// (n·Σx² − (Σx)²) / (n·(n − ddof)), the numerator exact; null for n <= ddof and where there are
  /// infinities.
  [[nodiscard]] WindowValue variance(int ddof) const noexcept { return spread(ddof, false); }
  [[nodiscard]] WindowValue deviation(int ddof) const noexcept { return spread(ddof, true); }

 private:
  static constexpr int sum_base = -128;
  static constexpr int square_base = -256;
  static constexpr int wide_base = -1088;
  static constexpr int wide_square_base = -2176;
  struct Wide {
    std::uint32_t count = 0;
    ExactInteger<36> sum;
    ExactInteger<68> squares;
  };

  void change(WindowValue value, bool squares, int sign) {
    if (value.kind == Kind::null) return;
    count_ += static_cast<std::uint32_t>(sign);
    Dyadic number;
    if (value.kind == Kind::float64) {
      floats_ += static_cast<std::uint32_t>(sign);
      number = split(value.float64());
    } else {
      number = {value.int64(), 0};
    }
    const auto position = static_cast<unsigned>(number.exponent - sum_base);
    // 2^46 squared, times 2^34 rows, stays below the sign of six limbs; without squares there is more room.
    if (!squares && position <= 128 + 37) [[likely]] {
      add_to_sum(sign * static_cast<__int128>(number.mantissa), position);
    } else {
      change_with_squares(number, squares, sign);
    }
  }

  void add_to_sum(__int128 value, unsigned position) noexcept {
    unsigned __int128 low;
    unsigned __int128 high;
    if (position < 128) {
      low = static_cast<unsigned __int128>(value) << position;
      high = static_cast<unsigned __int128>((value >> (127 - position)) >> 1);
    } else {
      low = 0;
      high = static_cast<unsigned __int128>(value) << (position - 128);
    }
    unsigned __int128 sum_low = static_cast<unsigned __int128>(sum_.limbs[1]) << 64 | sum_.limbs[0];
    unsigned __int128 sum_high = static_cast<unsigned __int128>(sum_.limbs[3]) << 64 | sum_.limbs[2];
    sum_low += low;
    sum_high += high + (sum_low < low);
    sum_.limbs[0] = static_cast<std::uint64_t>(sum_low);
    sum_.limbs[1] = static_cast<std::uint64_t>(sum_low >> 64);
    sum_.limbs[2] = static_cast<std::uint64_t>(sum_high);
    sum_.limbs[3] = static_cast<std::uint64_t>(sum_high >> 64);
  }

  [[nodiscard]] WindowValue unusual_mean() const noexcept;
  void change_with_squares(Dyadic number, bool squares, int sign);
  void change_extreme(Dyadic number, bool squares, int sign);
  [[nodiscard]] ExactInteger<36> wide_sum() const noexcept;
  [[nodiscard]] WindowValue spread(int ddof, bool root) const noexcept;

  std::uint32_t count_ = 0;
  std::uint32_t floats_ = 0;
  std::uint32_t plus_infinities_ = 0;
  std::uint32_t minus_infinities_ = 0;
  ExactInteger<4> sum_;
  std::unique_ptr<Wide> wide_;  ///< null while no extreme value is in the range
  ExactInteger<6> squares_;
};

}  // namespace tiderace
