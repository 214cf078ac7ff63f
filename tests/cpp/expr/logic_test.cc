#include <gtest/gtest.h>

#include "columnar/invalid.h"
#include "expr/rows.h"

namespace tiderace::testing {
namespace {

using enum BinaryOperator;
const auto n = integer;
const Scalar high = std::string("high");

TEST(Logic, IsKleenes) {
  const std::vector<Scalar> values{true, false, null};
  const std::vector<std::string> both{"true",  "false", "null",  "false", "false",
                                      "false", "null",  "false", "null"};
  const std::vector<std::string> either{"true", "true", "true", "true", "false",
                                        "null", "true", "null", "null"};
  std::vector<Row> rows;
  for (const Scalar& a : values) {
    for (const Scalar& b : values) rows.push_back({a, b});
  }
  EXPECT_EQ(results(binary(logical_and, column("a"), column("b")), batch_of(rows)), both);
  EXPECT_EQ(results(binary(logical_or, column("a"), column("b")), batch_of(rows)), either);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    EXPECT_EQ(result(binary(logical_and, literal(rows[i][0]), column("b")), rows[i]), both[i]);
    EXPECT_EQ(result(binary(logical_or, column("a"), literal(rows[i][1])), rows[i]), either[i]);
  }
  EXPECT_EQ(
      results(unary(UnaryOperator::invert, column("a")), batch_of(std::vector<Row>{{true}, {false}, {null}})),
      (std::vector<std::string>{"false", "true", "null"}));
}

TEST(Logic, WantsBooleans) {
  EXPECT_EQ(result(binary(logical_and, column("a"), column("b")), {false, n(1)}),
            "bad type: &: wanted a boolean, found the number 1");
  EXPECT_EQ(result(binary(logical_or, column("a"), literal("high")), {true}),
            R"(bad type: |: wanted a boolean, found the string "high")");
  EXPECT_EQ(result(unary(UnaryOperator::invert, column("a")), {1.5}),
            "bad type: ~: wanted a boolean, found the number 1.5");
}

TEST(Nulls, AreTestedAndFilled) {
  const Batch batch =
      batch_of(std::vector<Row>{{null, n(1)}, {0.5, null}, {std::string("x"), n(2)}, {null, null}});
  EXPECT_EQ(results(unary(UnaryOperator::is_null, column("a")), batch),
            (std::vector<std::string>{"true", "false", "false", "true"}));
  EXPECT_EQ(results(unary(UnaryOperator::not_null, column("a")), batch),
            (std::vector<std::string>{"false", "true", "true", "false"}));
  EXPECT_EQ(results(make_expression(FillNull{column("a"), column("b")}), batch),
            (std::vector<std::string>{"1", "0.5", "\"x\"", "null"}));
  EXPECT_EQ(results(make_expression(FillNull{column("a"), literal("none")}), batch),
            (std::vector<std::string>{"\"none\"", "0.5", "\"x\"", "\"none\""}));
}

TEST(Nulls, AFillThatIsNotNeededIsNotJudged) {
  const auto fill = make_expression(FillNull{column("a"), binary(add, column("b"), literal(1))});
  EXPECT_EQ(result(fill, {n(1), high}), "1");
  EXPECT_EQ(result(fill, {null, high}), R"(bad type: +: wanted a number, found the string "high")");
}

TEST(Where, TakesTheValueOfItsBranchAsItIs) {
  const auto where = make_expression(Where{column("a"), column("b"), literal(2.5)});
  const Batch batch = batch_of(std::vector<Row>{{true, n(1)},
                                                {false, n(1)},
                                                {null, n(1)},
                                                {true, std::string("x")},
                                                {true, null},
                                                {true, std::string("[1]")}});
  EXPECT_EQ(results(where, batch),
            (std::vector<std::string>{"1", "2.5", "2.5", "\"x\"", "null", "nested [1]"}));
  const Batch numbers = batch_of(std::vector<Row>{{true, n(1)}, {false, n(1)}, {null, n(1)}});
  EXPECT_EQ(results(where, numbers), (std::vector<std::string>{"1", "2.5", "2.5"}));
}

TEST(Where, DoesNotJudgeTheBranchThatIsNotTaken) {
  const auto where = make_expression(
      Where{column("a"), binary(add, column("b"), literal(1)), unary(UnaryOperator::lower, column("b"))});
  const Batch batch = batch_of(
      std::vector<Row>{{true, n(1)}, {false, high}, {true, high}, {false, n(1)}, {null, high}, {n(1), n(1)}});
  EXPECT_EQ(
      results(where, batch),
      (std::vector<std::string>{"2", "\"high\"", R"(bad type: +: wanted a number, found the string "high")",
                                "bad type: str.lower: wanted a string, found the number 1", "\"high\"",
                                "bad type: where: wanted a boolean, found the number 1"}));
}

Batch with_an_invalid_value() {
  ColumnBuilder out(3);
  out.set_int64(0, 1);
  set_invalid(out, 1, BadRowKind::range, "wanted an int64, found 9e99 at byte 7");
  out.set_text(2, Kind::string, "x");
  return batch_of({Column(std::move(out))});
}

TEST(Invalid, IsAnErrorWhereItIsRead) {
  const Batch batch = with_an_invalid_value();
  const std::string bad = "bad range: wanted an int64, found 9e99 at byte 7";
  EXPECT_EQ(results(column("a"), batch), (std::vector<std::string>{"1", bad, "\"x\""}));
  EXPECT_EQ(results(unary(UnaryOperator::is_null, column("a")), batch),
            (std::vector<std::string>{"false", bad, "false"}));
  const auto guarded = make_expression(Where{literal(false), column("a"), literal(0)});
  EXPECT_EQ(results(guarded, batch), (std::vector<std::string>{"0", "0", "0"}));
}

TEST(TrueRows, KeepsWhatIsTrueAlone) {
  RowErrors errors;
  EXPECT_EQ(true_rows(column_of({true, false, null, true}), errors), (std::vector<std::uint32_t>{0, 3}));
  EXPECT_TRUE(errors.empty());
  EXPECT_EQ(true_rows(column_of({true, n(1), null}), errors), (std::vector<std::uint32_t>{0}));
  const auto entries = errors.take();
  ASSERT_EQ(entries.size(), 1u);
  EXPECT_EQ(entries[0].row, 1u);
  EXPECT_EQ(entries[0].message, "filter: wanted a boolean, found the number 1");
}

TEST(Constants, StandForEveryRow) {
  const Batch batch = batch_of(std::vector<Row>{{n(1)}, {n(2)}});
  EXPECT_EQ(results(literal(7), batch), (std::vector<std::string>{"7", "7"}));
  EXPECT_EQ(results(binary(add, literal("x"), literal(1)), batch)[1],
            R"(bad type: +: wanted a number, found the string "x")");
  EXPECT_EQ(results(literal(7), Batch{}), std::vector<std::string>{});
}

}  // namespace
}  // namespace tiderace::testing
