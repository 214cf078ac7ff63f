#include "state/window/moments.h"

#include <bit>
#include <cmath>

namespace tiderace {
namespace {

constexpr int infinite_exponent = 972;  // what split() makes of an infinity

WindowValue of_int64(std::int64_t value) {
  return {Kind::int64, static_cast<std::uint64_t>(value)};
}
WindowValue of_float64(double value) {
  if (value != value) return {};
  return {Kind::float64, std::bit_cast<std::uint64_t>(value)};
}

bool int_below_float(std::int64_t integer, double number) {
  if (number >= 0x1p63) return true;
  if (number < -0x1p63) return false;
  const auto whole = static_cast<std::int64_t>(number);
  return integer != whole ? integer < whole : number > static_cast<double>(whole);
}

bool float_below_int(double number, std::int64_t integer) {
  if (number >= 0x1p63) return false;
  if (number < -0x1p63) return true;
  const auto whole = static_cast<std::int64_t>(number);
  return integer != whole ? whole < integer : number < static_cast<double>(whole);
}

}  // namespace

bool less(WindowValue a, WindowValue b) noexcept {
  const bool a_float = a.kind == Kind::float64;
  const bool b_float = b.kind == Kind::float64;
  if (a_float && b_float) return a.float64() < b.float64();
  if (a_float) return float_below_int(a.float64(), b.int64());
  if (b_float) return int_below_float(a.int64(), b.float64());
  return a.int64() < b.int64();
}

Moments::Moments(const Moments& other) {
  *this = other;
}

Moments& Moments::operator=(const Moments& other) {
  if (this == &other) return *this;
  count_ = other.count_;
  floats_ = other.floats_;
  plus_infinities_ = other.plus_infinities_;
  minus_infinities_ = other.minus_infinities_;
  sum_ = other.sum_;
  squares_ = other.squares_;
  wide_ = other.wide_ ? std::make_unique<Wide>(*other.wide_) : nullptr;
  return *this;
}

void Moments::add(const Moments& other) {
  count_ += other.count_;
  floats_ += other.floats_;
  plus_infinities_ += other.plus_infinities_;
  minus_infinities_ += other.minus_infinities_;
  sum_.add(other.sum_);
  squares_.add(other.squares_);
  if (!other.wide_) return;
  if (!wide_) wide_ = std::make_unique<Wide>();
  wide_->count += other.wide_->count;
  wide_->sum.add(other.wide_->sum);
  wide_->squares.add(other.wide_->squares);
}

void Moments::change_with_squares(Dyadic number, bool squares, int sign) {
  if (number.mantissa == 0) return;
  const int position = number.exponent - sum_base;
  const auto magnitude = static_cast<std::uint64_t>(std::abs(number.mantissa));
  const bool fits = position >= 0 && (position <= 121 || (position == 128 && magnitude <= 1ull << 46));
  if (!squares || !fits) {
    change_extreme(number, squares, sign);
    return;
  }
  const auto at = static_cast<unsigned>(position);
  add_to_sum(sign * static_cast<__int128>(number.mantissa), at);
  squares_.add(sign * (static_cast<__int128>(magnitude) * magnitude), 2 * at);
}

void Moments::change_extreme(Dyadic number, bool squares, int sign) {
  if (number.exponent == infinite_exponent) {
    (number.mantissa > 0 ? plus_infinities_ : minus_infinities_) += static_cast<std::uint32_t>(sign);
    return;
  }
  if (!wide_) wide_ = std::make_unique<Wide>();
  const auto at = static_cast<unsigned>(number.exponent - wide_base);
  wide_->sum.add(sign * static_cast<__int128>(number.mantissa), at);
  if (squares) {
    const unsigned __int128 magnitude = static_cast<std::uint64_t>(std::abs(number.mantissa));
    wide_->squares.add(sign * static_cast<__int128>(magnitude * magnitude), 2 * at);
  }
  wide_->count += static_cast<std::uint32_t>(sign);
  if (wide_->count == 0) wide_.reset();
}

ExactInteger<36> Moments::wide_sum() const noexcept {
  ExactInteger<36> sum = widened<36>(sum_, (sum_base - wide_base) / 64);
  sum.add(wide_->sum);
  return sum;
}

WindowValue Moments::sum() const noexcept {
  if (count_ == 0) return {};
  if ((plus_infinities_ | minus_infinities_) != 0) {
    if (plus_infinities_ != 0 && minus_infinities_ != 0) return {};
    return of_float64(plus_infinities_ != 0 ? HUGE_VAL : -HUGE_VAL);
  }
  if (floats_ == 0 && !wide_) {
    const auto integer = static_cast<std::int64_t>(sum_.limbs[2]);
    const bool fits = static_cast<std::int64_t>(sum_.limbs[3]) == (integer >> 63);
    if (fits) return of_int64(integer);
  }
  if (wide_) {
    const ExactInteger<36> sum = wide_sum();
    if (floats_ == 0) {
      // Ints beyond what squares leave room for: the same rule as above, a limb at 2^0 and its sign above.
      const auto integer = static_cast<std::int64_t>(sum.limbs[-wide_base / 64]);
      if (static_cast<std::int64_t>(sum.limbs[-wide_base / 64 + 1]) == (integer >> 63))
        return of_int64(integer);
    }
    return of_float64(sum.round(wide_base));
  }
  return of_float64(rounded_sum(sum_));
}

WindowValue Moments::unusual_mean() const noexcept {
  if (count_ == 0) return {};
  if ((plus_infinities_ | minus_infinities_) != 0) return sum();
  const double count = count_;
  const ExactInteger<36> sum = wide_sum();
  const double rounded = sum.round(wide_base);
  // The mean of finite values is finite, also where their sum is not.
  if (std::isinf(rounded)) return of_float64(std::ldexp(sum.round(wide_base - 64) / count, 64));
  return of_float64(rounded / count);
}

WindowValue Moments::spread(int ddof, bool root) const noexcept {
  const double count = count_;
  if (count_ == 0 || count <= ddof || (plus_infinities_ | minus_infinities_) != 0) return {};
  const double divisor = count * (count - ddof);
  if (!wide_) {
    ExactInteger<8> numerator = multiplied<8>(squares_, count_);
    numerator.subtract(squared(sum_));
    const double variance = numerator.round(square_base) / divisor;
    return of_float64(root ? std::sqrt(variance) : variance);
  }
  ExactInteger<68> squares = widened<68>(squares_, (square_base - wide_square_base) / 64);
  squares.add(wide_->squares);
  ExactInteger<72> numerator = widened<72>(multiplied<69>(squares, count_), 0);
  numerator.subtract(squared(wide_sum()));
  if (numerator.zero()) return of_float64(0.0);
  // Near 1 while it is divided and its root taken, so that neither too large nor too small a square spoils
  // the root.
  std::size_t top = 71;
  while (numerator.limbs[top] == 0) --top;
  const int scale = static_cast<int>(top) * 64 + wide_square_base;
  const double variance = numerator.round(wide_square_base - scale) / divisor;
  return of_float64(root ? std::ldexp(std::sqrt(variance), scale / 2) : std::ldexp(variance, scale));
}

}  // namespace tiderace
