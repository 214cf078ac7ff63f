#include <gtest/gtest.h>

#include <limits>

#include "expr/rows.h"

namespace tiderace::testing {
namespace {

const auto n = integer;
constexpr std::int64_t lowest = std::numeric_limits<std::int64_t>::min();
constexpr std::int64_t highest = std::numeric_limits<std::int64_t>::max();

std::string of(UnaryOperator op, Scalar value) {
  return result(unary(op, column("a")), {std::move(value)});
}
std::string rounded(Scalar value, int decimals) {
  return result(make_expression(Round{column("a"), decimals}), {std::move(value)});
}

TEST(Numeric, UnaryOperations) {
  using enum UnaryOperator;
  EXPECT_EQ(of(absolute, n(-3)), "3");
  EXPECT_EQ(of(absolute, -2.5), "2.5");
  EXPECT_EQ(of(absolute, true), "1");
  EXPECT_EQ(of(absolute, null), "null");
  EXPECT_EQ(of(absolute, n(lowest)), "9.223372036854776e+18");
  EXPECT_EQ(of(negate, n(lowest)), "9.223372036854776e+18");
  EXPECT_EQ(of(negate, n(0)), "0");
  EXPECT_EQ(of(negate, 0.0), "-0.0");
  EXPECT_EQ(of(negate, true), "-1");
  EXPECT_EQ(of(sqrt, n(4)), "2.0");
  EXPECT_EQ(of(sqrt, -1.0), "null");
  EXPECT_EQ(of(exp, n(0)), "1.0");
  EXPECT_EQ(of(exp, 1e6), "inf");
  EXPECT_EQ(of(log, n(0)), "-inf");
  EXPECT_EQ(of(log, n(-1)), "null");
  EXPECT_EQ(of(absolute, std::string("high")), R"(bad type: abs: wanted a number, found the string "high")");
}

TEST(Numeric, RoundsHalvesToEvenAsPandas) {
  EXPECT_EQ(rounded(0.5, 0), "0.0");
  EXPECT_EQ(rounded(1.5, 0), "2.0");
  EXPECT_EQ(rounded(-2.5, 0), "-2.0");
  EXPECT_EQ(rounded(-0.2, 0), "-0.0");
  EXPECT_EQ(rounded(1.005, 2), "1.0");
  EXPECT_EQ(rounded(2.675, 2), "2.68");
  EXPECT_EQ(rounded(0.125, 2), "0.12");
  EXPECT_EQ(rounded(25.0, -1), "20.0");
  EXPECT_EQ(rounded(35.0, -1), "40.0");
  EXPECT_EQ(rounded(1e308, 2), "1e+308");
  EXPECT_EQ(rounded(4503599627370497.0, 0), "4503599627370497.0");
  EXPECT_EQ(rounded(1.5, -400), "0.0");
  EXPECT_EQ(rounded(n(7), 2), "7");
  EXPECT_EQ(rounded(n(15), -1), "20");
  EXPECT_EQ(rounded(n(25), -1), "20");
  EXPECT_EQ(rounded(n(-25), -1), "-20");
  EXPECT_EQ(rounded(n(-26), -1), "-30");
  EXPECT_EQ(rounded(n(highest), -18), "9000000000000000000");
  EXPECT_EQ(rounded(n(highest), -19), "1e+19");
  EXPECT_EQ(rounded(n(lowest), -1), "-9.223372036854776e+18");
  EXPECT_EQ(rounded(n(highest), -20), "0");
  EXPECT_EQ(rounded(true, -1), "0");
  EXPECT_EQ(rounded(null, 1), "null");
}

TEST(Numeric, Clips) {
  const auto clip = [](Scalar value, ExpressionPtr lower, ExpressionPtr upper) {
    return result(make_expression(Clip{column("a"), std::move(lower), std::move(upper)}), {std::move(value)});
  };
  EXPECT_EQ(clip(n(5), literal(1), literal(3)), "3");
  EXPECT_EQ(clip(n(0), literal(1), literal(3)), "1");
  EXPECT_EQ(clip(n(2), literal(1), literal(3)), "2");
  EXPECT_EQ(clip(n(2), literal(1.5), literal(3)), "2.0");
  EXPECT_EQ(clip(5.5, literal(1), literal(3)), "3.0");
  EXPECT_EQ(clip(n(5), nullptr, literal(3)), "3");
  EXPECT_EQ(clip(n(-5), literal(-3), nullptr), "-3");
  EXPECT_EQ(clip(n(-5), literal(null), nullptr), "-5");
  EXPECT_EQ(clip(n(2), literal(3), literal(1)), "2");
  EXPECT_EQ(clip(true, literal(0), literal(5)), "1");
  EXPECT_EQ(clip(null, literal(0), literal(5)), "null");
  EXPECT_EQ(clip(std::string("x"), literal(0), literal(5)),
            R"(bad type: clip: wanted a number, found the string "x")");
  const auto columns = make_expression(Clip{column("a"), column("b"), column("c")});
  EXPECT_EQ(result(columns, {n(5), n(6), n(4)}), "6");
  EXPECT_EQ(result(columns, {n(5), null, n(4)}), "4");
}

TEST(Numeric, ARowsResultDoesNotDependOnItsBatch) {
  using enum UnaryOperator;
  const std::vector<Scalar> values{null,
                                   true,
                                   n(0),
                                   n(-7),
                                   n(lowest),
                                   2.5,
                                   -2.5,
                                   -0.0,
                                   1e300,
                                   std::numeric_limits<double>::infinity(),
                                   std::string("x")};
  std::vector<ExpressionPtr> expressions;
  for (const UnaryOperator op : {negate, absolute, sqrt, exp, log})
    expressions.push_back(unary(op, column("a")));
  for (const int decimals : {-2, 0, 3}) expressions.push_back(make_expression(Round{column("a"), decimals}));
  expressions.push_back(make_expression(Clip{column("a"), literal(-1), literal(2.0)}));
  for (const KindMask kinds : {KindMask{0xFF}, mask_of(Kind::float64), mask_of(Kind::int64), number_mask}) {
    std::vector<Row> rows;
    for (const Scalar& value : values) {
      const Kind kind = column_of({value}).kind(0);
      if (kind == Kind::null || in(kind, kinds)) rows.push_back({value});
    }
    for (const ExpressionPtr& expression : expressions) {
      const std::vector<std::string> together = results(expression, batch_of(rows));
      for (std::size_t i = 0; i < rows.size(); ++i)
        EXPECT_EQ(together[i], result(expression, rows[i])) << to_text(*expression);
    }
  }
}

}  // namespace
}  // namespace tiderace::testing
