#include <gtest/gtest.h>
#include <tiderace/error.h>

#include <map>

#include "expr/rows.h"

namespace tiderace::testing {
namespace {

using enum BinaryOperator;

/// `i f s t b n` are known, anything else is not.
class Schema : public KnownKinds {
 public:
  [[nodiscard]] KindMask of(const ColumnReference& reference) const override {
    static const std::map<std::string, Kind> kinds{{"i", Kind::int64},
                                                   {"f", Kind::float64},
                                                   {"s", Kind::string},
                                                   {"b", Kind::boolean},
                                                   {"n", Kind::nested}};
    const auto found = kinds.find(reference.path.front());
    return found == kinds.end() ? any_mask : mask_of(found->second);
  }
};

KindMask kinds(const ExpressionPtr& expression) {
  return infer_kinds(*expression, Schema());
}
std::string refusal(const ExpressionPtr& expression) {
  try {
    static_cast<void>(infer_kinds(*expression, Schema()));
  } catch (const Error& error) {
    return error.kind() == ErrorKind::plan ? error.what() : "another kind of error";
  }
  return "none";
}

constexpr KindMask boolean = mask_of(Kind::boolean);
constexpr KindMask whole = mask_of(Kind::int64);
constexpr KindMask floating = mask_of(Kind::float64);

TEST(InferKinds, KnowsWhatAnExpressionCanGive) {
  EXPECT_EQ(kinds(binary(add, column("i"), literal(1))), whole | floating);
  EXPECT_EQ(kinds(binary(add, column("b"), column("b"))), whole | floating);
  EXPECT_EQ(kinds(binary(divide, column("i"), column("i"))), floating);
  EXPECT_EQ(kinds(binary(multiply, column("i"), column("f"))), floating);
  EXPECT_EQ(kinds(binary(add, column("x"), literal(1))), whole | floating);
  EXPECT_EQ(kinds(binary(add, column("x"), literal(null))), 0);
  EXPECT_EQ(kinds(unary(UnaryOperator::length, column("s"))), whole);
  EXPECT_EQ(kinds(unary(UnaryOperator::absolute, column("f"))), floating);
  EXPECT_EQ(kinds(unary(UnaryOperator::is_null, column("n"))), boolean);
  EXPECT_EQ(kinds(binary(equal, column("s"), literal(1))), boolean);
  EXPECT_EQ(kinds(make_expression(Where{column("b"), column("i"), column("s")})),
            whole | mask_of(Kind::string));
  EXPECT_EQ(kinds(make_expression(FillNull{column("f"), literal(0)})), floating | whole);
  EXPECT_EQ(kinds(make_expression(Cast{column("x"), Kind::int64})), whole);
  EXPECT_EQ(kinds(make_expression(Round{column("i"), 2})), whole);
  EXPECT_EQ(kinds(make_expression(Clip{column("i"), literal(0.5), nullptr})), whole | floating);
  EXPECT_EQ(kinds(column("x")), any_mask);
}

TEST(InferKinds, RefusesWhatCannotWorkForAnyRow) {
  EXPECT_EQ(
      refusal(binary(add, column("s"), literal(1))),
      R"(+: wanted a number, but sdf["s"] is always string; convert it with .astype("float64") or take another column)");
  EXPECT_EQ(
      refusal(unary(UnaryOperator::lower, column("i"))),
      R"(str.lower: wanted a string, but sdf["i"] is always int64; convert it with .astype("string") or take another column)");
  EXPECT_EQ(
      refusal(binary(less, column("i"), literal("a"))),
      R"(<: wanted two values of one kind, but sdf["i"] is always int64 and "a" is always string; convert one with .astype(...))");
  EXPECT_NE(refusal(binary(logical_and, column("f"), column("b"))), "none");
  EXPECT_NE(refusal(make_expression(Cast{column("n"), Kind::int64})), "none");
  EXPECT_NE(refusal(make_expression(Where{column("i"), literal(1), literal(2)})), "none");
  EXPECT_EQ(refusal(binary(add, column("x"), column("i"))), "none");
}

}  // namespace
}  // namespace tiderace::testing
