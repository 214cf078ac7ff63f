#include <gtest/gtest.h>

#include <limits>

#include "expr/rows.h"

namespace tiderace::testing {
namespace {

using enum BinaryOperator;
const auto n = integer;
Scalar s(const char* text) {
  return std::string(text);
}

/// `order` is how a stands to b: '<', '=', '>', '!' for different kinds, 'n' for a null.
struct Case {
  Scalar a;
  Scalar b;
  char order;
};

const std::vector<Case>& cases() {
  static const std::vector<Case> all{
      {n(1), n(2), '<'},
      {n(2), 2.0, '='},
      {n(9007199254740993), 9007199254740992.0, '>'},
      {n(std::numeric_limits<std::int64_t>::max()), 9223372036854775808.0, '<'},
      {n(std::numeric_limits<std::int64_t>::min()), -9223372036854775808.0, '='},
      {-1e300, n(std::numeric_limits<std::int64_t>::min()), '<'},
      {n(0), 0.5, '<'},
      {n(0), -0.5, '>'},
      {-0.0, n(0), '='},
      {std::numeric_limits<double>::infinity(), 1e308, '>'},
      {true, n(1), '='},
      {true, false, '>'},
      {true, 0.5, '>'},
      {s("a"), s("b"), '<'},
      {s("a"), s("a"), '='},
      {s("Z"), s("a"), '<'},
      {s("\U0001F600"), s("\uFFFD"), '>'},
      {s(""), s("a"), '<'},
      {s("a"), n(1), '!'},
      {true, s("true"), '!'},
      {null, n(1), 'n'},
      {s("a"), null, 'n'},
      {null, null, 'n'},
  };
  return all;
}

std::string expected(BinaryOperator op, char order) {
  if (order == 'n') return "null";
  if (order == '!') return op == equal ? "false" : op == not_equal ? "true" : "bad";
  const bool less_than = order == '<';
  const bool same = order == '=';
  switch (op) {
    case less:
      return less_than ? "true" : "false";
    case less_equal:
      return less_than || same ? "true" : "false";
    case greater:
      return !less_than && !same ? "true" : "false";
    case greater_equal:
      return !less_than ? "true" : "false";
    case equal:
      return same ? "true" : "false";
    default:
      return same ? "false" : "true";
  }
}

TEST(Compare, FollowsTheTable) {
  for (const Case& c : cases()) {
    for (const BinaryOperator op : {less, less_equal, greater, greater_equal, equal, not_equal}) {
      const std::string wanted = expected(op, c.order);
      const std::vector<ExpressionPtr> forms{
          binary(op, column("a"), column("b")), binary(op, literal(c.a), column("b")),
          binary(op, column("a"), literal(c.b)), binary(op, literal(c.a), literal(c.b))};
      for (const ExpressionPtr& form : forms) {
        EXPECT_EQ(result(form, {c.a, c.b}).substr(0, wanted.size()), wanted)
            << to_text(*binary(op, literal(c.a), literal(c.b))) << " as " << to_text(*form);
      }
    }
  }
}

TEST(Compare, ARowsResultDoesNotDependOnItsBatch) {
  std::vector<Row> rows;
  for (const Case& c : cases()) rows.push_back({c.a, c.b});
  for (const BinaryOperator op : {less, less_equal, greater, greater_equal, equal, not_equal}) {
    const ExpressionPtr expression = binary(op, column("a"), column("b"));
    const std::vector<std::string> together = results(expression, batch_of(rows));
    for (std::size_t i = 0; i < rows.size(); ++i) EXPECT_EQ(together[i], result(expression, rows[i]));
  }
}

TEST(Compare, SaysWhatCannotBeOrdered) {
  EXPECT_EQ(result(binary(less, column("a"), literal(1)), {s("high")}),
            R"(bad type: <: wanted two values of one kind, found the string "high" and the number 1)");
  EXPECT_EQ(
      result(binary(equal, column("a"), column("a")), {s("{}")}),
      "bad type: ==: wanted values that are not nested, found the nested value {} and the nested value {}");
  EXPECT_EQ(result(binary(not_equal, column("a"), literal(1)), {s("{}")}), "true");
}

TEST(Compare, AFractionalConstantAgainstIntegers) {
  const Batch batch = batch_of(std::vector<Row>{{n(0)}, {n(1)}, {null}, {n(2)}});
  EXPECT_EQ(results(binary(less, column("a"), literal(1.5)), batch),
            (std::vector<std::string>{"true", "true", "null", "false"}));
  EXPECT_EQ(results(binary(greater_equal, literal(1.0), column("a")), batch),
            (std::vector<std::string>{"true", "true", "null", "false"}));
}

TEST(IsIn, ComparesNumbersByValueAndNullWithNothing) {
  const auto members = make_expression(IsIn{column("a"), {n(1), 2.0, 2.5, s("x"), true, null}});
  const Batch batch = batch_of(std::vector<Row>{
      {n(1)}, {1.0}, {n(2)}, {2.5}, {n(3)}, {s("x")}, {s("y")}, {null}, {true}, {false}, {s("{}")}});
  EXPECT_EQ(results(members, batch),
            (std::vector<std::string>{"true", "true", "true", "true", "false", "true", "false", "false",
                                      "true", "false", "false"}));
}

TEST(Between, IncludesBothEnds) {
  const auto between = make_expression(Between{column("a"), literal(1), column("b")});
  EXPECT_EQ(result(between, {n(1), n(3)}), "true");
  EXPECT_EQ(result(between, {3.0, n(3)}), "true");
  EXPECT_EQ(result(between, {3.5, n(3)}), "false");
  EXPECT_EQ(result(between, {n(0), null}), "false");
  EXPECT_EQ(result(between, {n(2), null}), "null");
  EXPECT_EQ(result(between, {null, n(3)}), "null");
  EXPECT_TRUE(result(between, {s("x"), n(3)}).starts_with("bad type: >=: "));
}

}  // namespace
}  // namespace tiderace::testing
