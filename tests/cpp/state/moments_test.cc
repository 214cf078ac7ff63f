#include "state/window/moments.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

namespace tiderace {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
WindowValue value(double number) {
  return {Kind::float64, std::bit_cast<std::uint64_t>(number)};
}
WindowValue value(std::int64_t number) {
  return {Kind::int64, static_cast<std::uint64_t>(number)};
}
WindowValue value(int number) {
  return value(std::int64_t{number});
}

template <class... Values>
Moments of(Values... values) {
  Moments moments;
  (moments.add(value(values), true), ...);
  return moments;
}
double float_of(WindowValue value) {
  EXPECT_EQ(value.kind, Kind::float64);
  return value.float64();
}

TEST(Moments, SumIsRoundedOnce) {
  EXPECT_EQ(float_of(of(1e16, 1.0, -1e16).sum()), 1.0);
  EXPECT_EQ(float_of(of(0x1p53, 1.0).sum()), 0x1p53);               // a tie goes to the even
  EXPECT_EQ(float_of(of(0x1p53, 1.0, 0x1p-80).sum()), 0x1p53 + 2);  // a little more than the tie
  EXPECT_EQ(float_of(of(0x1p53, 1.0, -0x1p-80).sum()), 0x1p53);
  EXPECT_EQ(float_of(of(0x1p53 + 2, 1.0).sum()), 0x1p53 + 4);
  EXPECT_EQ(float_of(of(-0x1p53, -1.0, -0x1p-1074).sum()), -0x1p53 - 2);
  EXPECT_EQ(float_of(of(1e300, 1e-300, -1e300).sum()), 1e-300);
  EXPECT_EQ(float_of(of(5e-324, 5e-324, 1.0, -1.0).sum()), 1e-323);
  EXPECT_EQ(float_of(of(1.7e308, 1.7e308).sum()), infinity);
  EXPECT_EQ(float_of(of(1.7e308, 1.7e308).mean()), 1.7e308);
  EXPECT_EQ(float_of(of(1.7e308, 1.7e308, -1.7e308).sum()), 1.7e308);
  EXPECT_EQ(float_of(of(0.0, -0.0).sum()), 0.0);
}

TEST(Moments, IntsStayIntsUntilTheyOverflow) {
  EXPECT_EQ(of(1, 2).sum().kind, Kind::int64);
  EXPECT_EQ(of(INT64_MAX, -1).sum().int64(), INT64_MAX - 1);
  EXPECT_EQ(float_of(of(INT64_MAX, 1).sum()), 0x1p63);
  EXPECT_EQ(of(INT64_MIN, 0).sum().int64(), INT64_MIN);
  EXPECT_EQ(float_of(of(INT64_MIN, -1).sum()), -0x1p63);
  EXPECT_EQ(float_of(of(1, 2.0).sum()), 3.0);
}

TEST(Moments, InfinitiesLeave) {
  Moments moments = of(1.0, 3.0);
  moments.add(value(infinity), true);
  EXPECT_EQ(float_of(moments.sum()), infinity);
  EXPECT_EQ(float_of(moments.mean()), infinity);
  EXPECT_EQ(moments.variance(1).kind, Kind::null);
  moments.add(value(-infinity), true);
  EXPECT_EQ(moments.sum().kind, Kind::null);
  EXPECT_EQ(moments.mean().kind, Kind::null);
  moments.remove(value(infinity), true);
  EXPECT_EQ(float_of(moments.sum()), -infinity);
  moments.remove(value(-infinity), true);
  EXPECT_EQ(float_of(moments.mean()), 2.0);
  EXPECT_EQ(float_of(moments.variance(1)), 2.0);
}

TEST(Moments, VarianceOfEqualValuesIsZero) {
  for (const double x : {0.1, 1e15 + 0.3, 1e-20, 1e200, 5e-324, 1.7e308, 0.0}) {
    EXPECT_EQ(float_of(of(x, x, x).variance(1)), 0.0) << x;
    EXPECT_EQ(float_of(of(x, x, x).deviation(0)), 0.0) << x;
  }
  EXPECT_EQ(float_of(of(1e9, 1e9 + 1).variance(1)), 0.5);
  EXPECT_EQ(float_of(of(1e200, 3e200).deviation(1)), std::sqrt(2.0) * 1e200);
  EXPECT_EQ(float_of(of(1e200, 3e200).variance(1)), infinity);
  EXPECT_NEAR(float_of(of(1e-200, 3e-200).deviation(1)) / 1e-200, std::sqrt(2.0), 1e-15);
  EXPECT_EQ(float_of(of(std::int64_t{1} << 60, (std::int64_t{1} << 60) + 2).variance(1)), 2.0);
  EXPECT_EQ(of(1.0).variance(1).kind, Kind::null);
  EXPECT_EQ(float_of(of(1.0).variance(0)), 0.0);
}

double random_double(std::mt19937_64& random, int spread) {
  const auto exponent = static_cast<int>(random() % static_cast<unsigned>(2 * spread + 1)) - spread;
  const double mantissa = static_cast<double>(static_cast<std::int64_t>(random())) * 0x1p-63;
  return random() % 16 == 0 ? 0.0 : std::ldexp(mantissa, exponent);
}

/// What remains does not depend on what came and went, nor on the order.
TEST(Moments, AreAFunctionOfTheValuesAlone) {
  std::mt19937_64 random(1);
  for (const int spread : {0, 10, 60, 100, 300, 1070}) {
    for (int round = 0; round < 200; ++round) {
      std::vector<WindowValue> kept;
      Moments moments;
      for (int i = 0; i < 20; ++i) {
        const WindowValue next = random() % 4 == 0
                                     ? value(static_cast<std::int64_t>(random()) >> (random() % 64))
                                     : value(random_double(random, spread));
        moments.add(next, true);
        if (random() % 2 == 0)
          moments.remove(next, true);
        else
          kept.push_back(next);
      }
      std::shuffle(kept.begin(), kept.end(), random);
      Moments left;
      Moments right;
      for (std::size_t i = 0; i < kept.size(); ++i) (i % 2 == 0 ? left : right).add(kept[i], true);
      left.add(right);
      EXPECT_EQ(moments.sum().payload, left.sum().payload);
      EXPECT_EQ(moments.mean().payload, left.mean().payload);
      EXPECT_EQ(moments.variance(1).payload, left.variance(1).payload);
      EXPECT_EQ(moments.deviation(0).payload, left.deviation(0).payload);
      EXPECT_EQ(moments.count(), kept.size());
    }
  }
}

/// Against sums of integers, where __int128 is exact.
TEST(Moments, AgreeWithIntegers) {
  std::mt19937_64 random(2);
  for (int round = 0; round < 2000; ++round) {
    const int count = 1 + static_cast<int>(random() % 10);
    const int bits = 1 + static_cast<int>(random() % 45);
    Moments moments;
    __int128 sum = 0;
    __int128 squares = 0;
    for (int i = 0; i < count; ++i) {
      const std::int64_t x = static_cast<std::int64_t>(random()) >> (64 - bits);
      moments.add(random() % 2 == 0 ? value(x) : value(static_cast<double>(x)), true);
      sum += x;
      squares += static_cast<__int128>(x) * x;
    }
    const __int128 numerator = count * squares - sum * sum;
    const WindowValue total = moments.sum();
    EXPECT_EQ(total.kind == Kind::int64 ? static_cast<double>(total.int64()) : total.float64(),
              static_cast<double>(sum));
    EXPECT_EQ(float_of(moments.variance(0)),
              static_cast<double>(numerator) / (count * static_cast<double>(count)));
  }
}

TEST(WindowValue, ComparesIntsAndFloatsExactly) {
  const std::int64_t big = (std::int64_t{1} << 53) + 1;
  EXPECT_TRUE(less(value(0x1p53), value(big)));
  EXPECT_FALSE(less(value(big), value(0x1p53)));
  EXPECT_TRUE(less(value(big), value(0x1p53 + 2)));
  EXPECT_TRUE(less(value(INT64_MAX), value(0x1p63)));
  EXPECT_FALSE(less(value(0x1p63), value(INT64_MAX)));
  EXPECT_FALSE(less(value(INT64_MIN), value(-0x1p63)));
  EXPECT_FALSE(less(value(-0x1p63), value(INT64_MIN)));
  EXPECT_TRUE(less(value(-infinity), value(INT64_MIN)));
  EXPECT_TRUE(less(value(2), value(2.5)));
  EXPECT_TRUE(less(value(-2.5), value(-2)));
  EXPECT_FALSE(less(value(-2), value(-2.5)));
}

}  // namespace
}  // namespace tiderace
