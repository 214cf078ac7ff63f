#include <gtest/gtest.h>

#include <limits>

#include "expr/rows.h"

namespace tiderace::testing {
namespace {

using enum BinaryOperator;

std::string text(const ExpressionPtr& expression) {
  return to_text(*expression);
}
const ExpressionPtr a = column("a");
const ExpressionPtr b = column("b");

TEST(ToText, PutsParenthesesWherePrecedenceAsksForThem) {
  EXPECT_EQ(text(binary(add, unary(UnaryOperator::absolute, a), binary(multiply, b, literal(2)))),
            R"(sdf["a"].abs() + sdf["b"] * 2)");
  EXPECT_EQ(text(binary(multiply, binary(add, a, b), literal(2.0))), R"((sdf["a"] + sdf["b"]) * 2.0)");
  EXPECT_EQ(text(binary(subtract, a, binary(subtract, b, a))), R"(sdf["a"] - (sdf["b"] - sdf["a"]))");
  EXPECT_EQ(text(binary(subtract, binary(subtract, a, b), a)), R"(sdf["a"] - sdf["b"] - sdf["a"])");
  EXPECT_EQ(text(binary(power, unary(UnaryOperator::negate, a), b)), R"((-sdf["a"]) ** sdf["b"])");
  EXPECT_EQ(text(unary(UnaryOperator::negate, binary(power, a, b))), R"(-sdf["a"] ** sdf["b"])");
  EXPECT_EQ(text(binary(power, a, unary(UnaryOperator::negate, b))), R"(sdf["a"] ** -sdf["b"])");
  EXPECT_EQ(text(binary(power, binary(power, a, b), b)), R"((sdf["a"] ** sdf["b"]) ** sdf["b"])");
  EXPECT_EQ(text(binary(power, a, binary(power, a, b))), R"(sdf["a"] ** sdf["a"] ** sdf["b"])");
  EXPECT_EQ(text(binary(logical_and, binary(less, a, b), binary(equal, a, literal("x")))),
            R"((sdf["a"] < sdf["b"]) & (sdf["a"] == "x"))");
  EXPECT_EQ(text(binary(logical_or, binary(logical_and, a, b), a)), R"(sdf["a"] & sdf["b"] | sdf["a"])");
  EXPECT_EQ(text(unary(UnaryOperator::invert, binary(logical_or, a, b))), R"(~(sdf["a"] | sdf["b"]))");
}

TEST(ToText, SpellsEveryForm) {
  EXPECT_EQ(text(make_expression(ColumnReference{{"gps", "lat"}})), R"(sdf["gps"]["lat"])");
  EXPECT_EQ(text(make_expression(ColumnReference{{R"(sdf["x"].rolling("10s").mean())"}, true})),
            R"(sdf["x"].rolling("10s").mean())");
  EXPECT_EQ(text(make_expression(Where{a, literal(1), literal(null)})), R"(tr.where(sdf["a"], 1, None))");
  EXPECT_EQ(text(make_expression(FillNull{a, literal(0.5)})), R"(sdf["a"].fillna(0.5))");
  EXPECT_EQ(text(make_expression(IsIn{a, {integer(1), 2.0, std::string("x"), true, null}})),
            R"(sdf["a"].isin([1, 2.0, "x", True, None]))");
  EXPECT_EQ(text(make_expression(Between{a, literal(1), b})), R"(sdf["a"].between(1, sdf["b"]))");
  EXPECT_EQ(text(make_expression(Clip{a, nullptr, literal(5)})), R"(sdf["a"].clip(None, 5))");
  EXPECT_EQ(text(make_expression(Clip{a, literal(5), nullptr})), R"(sdf["a"].clip(5))");
  EXPECT_EQ(text(make_expression(Round{a, 2})), R"(sdf["a"].round(2))");
  EXPECT_EQ(text(make_expression(Round{a, 0})), R"(sdf["a"].round())");
  EXPECT_EQ(text(make_expression(Cast{a, Kind::boolean})), R"(sdf["a"].astype("bool"))");
  EXPECT_EQ(text(make_expression(Match{a, MatchKind::contains_regex, "a\"\\d\n"})),
            R"(sdf["a"].str.contains("a\"\\d\n"))");
  EXPECT_EQ(text(make_expression(Match{a, MatchKind::contains_literal, "."})),
            R"(sdf["a"].str.contains(".", regex=False))");
  EXPECT_EQ(text(make_expression(Match{a, MatchKind::ends_with, "."})), R"(sdf["a"].str.endswith("."))");
  EXPECT_EQ(text(unary(UnaryOperator::length, a)), R"(sdf["a"].str.len())");
}

TEST(ToText, KeepsTheKindOfConstants) {
  EXPECT_EQ(text(literal(1e300)), "1e+300");
  EXPECT_EQ(text(literal(-std::numeric_limits<double>::infinity())), R"(float("-inf"))");
  EXPECT_EQ(text(unary(UnaryOperator::absolute, literal(-2))), "(-2).abs()");
  EXPECT_EQ(text(unary(UnaryOperator::negate, literal(2))), "-(2)");
  EXPECT_EQ(text(binary(power, literal(-2), a)), R"((-2) ** sdf["a"])");
  EXPECT_EQ(text(literal("\x01ü")), "\"\\u0001ü\"");
}

TEST(References, AreListedOnceInOrder) {
  const auto found =
      references(*binary(add, binary(multiply, b, make_expression(ColumnReference{{"g", "x"}})),
                         make_expression(Clip{a, b, nullptr})));
  ASSERT_EQ(found.size(), 3u);
  EXPECT_EQ(found[0].path, std::vector<std::string>{"b"});
  EXPECT_EQ(found[1].path, (std::vector<std::string>{"g", "x"}));
  EXPECT_EQ(found[2].path, std::vector<std::string>{"a"});
}

}  // namespace
}  // namespace tiderace::testing
