#include <gtest/gtest.h>

#include <limits>

#include "expr/rows.h"

namespace tiderace::testing {
namespace {

using enum BinaryOperator;
constexpr std::int64_t lowest = std::numeric_limits<std::int64_t>::min();
constexpr std::int64_t highest = std::numeric_limits<std::int64_t>::max();
const double infinity = std::numeric_limits<double>::infinity();

struct Case {
  BinaryOperator op;
  Scalar a;
  Scalar b;
  const char* expected;
};

std::vector<Case> cases() {
  const auto n = integer;
  return {
      {add, n(1), n(2), "3"},
      {add, n(1), 2.5, "3.5"},
      {add, true, true, "2"},
      {add, true, 0.5, "1.5"},
      {add, n(1), null, "null"},
      {add, null, 1.5, "null"},
      {add, n(highest), n(1), "9.223372036854776e+18"},
      {add, n(lowest), n(-1), "-9.223372036854776e+18"},
      {add, n(highest), n(0), "9223372036854775807"},
      {add, infinity, -infinity, "null"},
      {subtract, n(lowest), n(1), "-9.223372036854776e+18"},
      {subtract, n(3), n(5), "-2"},
      {subtract, false, true, "-1"},
      {multiply, n(3), n(5), "15"},
      {multiply, n(4294967296), n(4294967296), "1.8446744073709552e+19"},
      {multiply, n(lowest), n(-1), "9.223372036854776e+18"},
      {multiply, 0.5, n(4), "2.0"},
      {divide, n(6), n(3), "2.0"},
      {divide, n(1), n(0), "inf"},
      {divide, n(-1), n(0), "-inf"},
      {divide, n(0), n(0), "null"},
      {divide, 1.0, -0.0, "-inf"},
      {divide, true, n(2), "0.5"},
      {floor_divide, n(7), n(2), "3"},
      {floor_divide, n(-7), n(2), "-4"},
      {floor_divide, n(7), n(-2), "-4"},
      {floor_divide, n(-7), n(-2), "3"},
      {floor_divide, n(1), n(0), "inf"},
      {floor_divide, n(-1), n(0), "-inf"},
      {floor_divide, n(0), n(0), "null"},
      {floor_divide, n(lowest), n(-1), "9.223372036854776e+18"},
      {floor_divide, -7.5, n(2), "-4.0"},
      {floor_divide, 7.5, -2.0, "-4.0"},
      {floor_divide, 1.0, 0.0, "inf"},
      {floor_divide, 1.0, 0.1, "9.0"},
      {floor_divide, -1.0, infinity, "-1.0"},
      {floor_divide, infinity, 2.0, "null"},
      {modulo, n(7), n(3), "1"},
      {modulo, n(-7), n(3), "2"},
      {modulo, n(7), n(-3), "-2"},
      {modulo, n(7), n(0), "null"},
      {modulo, n(lowest), n(-1), "0"},
      {modulo, -7.5, 2.0, "0.5"},
      {modulo, 7.5, -2.0, "-0.5"},
      {modulo, -1.0, infinity, "inf"},
      {modulo, 1.0, 0.0, "null"},
      {modulo, 4.0, -2.0, "-0.0"},
      {power, n(2), n(10), "1024"},
      {power, n(2), n(62), "4611686018427387904"},
      {power, n(2), n(63), "9.223372036854776e+18"},
      {power, n(-2), n(63), "-9223372036854775808"},
      {power, n(0), n(0), "1"},
      {power, n(7), n(0), "1"},
      {power, n(2), n(-1), "0.5"},
      {power, n(0), n(-1), "inf"},
      {power, n(-1), n(highest), "-1"},
      {power, n(10), n(30), "1e+30"},
      {power, -8.0, 0.5, "null"},
      {power, n(4), 0.5, "2.0"},
      {power, null, n(0), "null"},
      {power, n(1), null, "null"},
      {add, std::string("high"), n(1), R"(bad type: +: wanted a number, found the string "high")"},
      {divide, null, std::string("x"), R"(bad type: /: wanted a number, found the string "x")"},
  };
}

TEST(Arithmetic, FollowsTheTable) {
  for (const Case& c : cases()) {
    const ExpressionPtr columns = binary(c.op, column("a"), column("b"));
    const std::string where = to_text(*binary(c.op, literal(c.a), literal(c.b)));
    EXPECT_EQ(result(columns, {c.a, c.b}), c.expected) << where;
    EXPECT_EQ(result(binary(c.op, literal(c.a), column("b")), {c.a, c.b}), c.expected)
        << where << " (left constant)";
    EXPECT_EQ(result(binary(c.op, column("a"), literal(c.b)), {c.a, c.b}), c.expected)
        << where << " (right constant)";
    EXPECT_EQ(result(binary(c.op, literal(c.a), literal(c.b)), {c.a, c.b}), c.expected)
        << where << " (constants)";
  }
}

/// The fast loops for one kind, with and without nulls, and the loop over mixed kinds give the same as a row
/// alone.
TEST(Arithmetic, ARowsResultDoesNotDependOnItsBatch) {
  std::vector<Scalar> values{
      null, true, false, integer(0), integer(-7), integer(3), integer(highest), integer(lowest),
      -0.0, 2.5,  -7.5,  1e300,      infinity,    0.1,        std::string("x"), std::string("[1]")};
  for (int op = 0; op <= static_cast<int>(power); ++op) {
    for (const unsigned kinds : {0xFFu, 0x02u, 0x04u, 0x06u, 0x07u}) {
      for (const bool nulls : {false, true}) {
        std::vector<Row> rows;
        for (const Scalar& a : values) {
          for (const Scalar& b : values) {
            const auto wanted = [&](const Scalar& value) {
              const Kind kind = column_of({value}).kind(0);
              return kind == Kind::null ? nulls : in(kind, static_cast<KindMask>(kinds));
            };
            if (wanted(a) && wanted(b)) rows.push_back({a, b});
          }
        }
        const ExpressionPtr expression = binary(BinaryOperator(op), column("a"), column("b"));
        const std::vector<std::string> together = results(expression, batch_of(rows));
        for (std::size_t i = 0; i < rows.size(); ++i) {
          EXPECT_EQ(together[i], result(expression, rows[i]))
              << to_text(*binary(BinaryOperator(op), literal(rows[i][0]), literal(rows[i][1])));
        }
      }
    }
  }
}

TEST(Arithmetic, ReadsAColumnThatWasTakenFromALongerOne) {
  const Column whole = column_of({integer(9), 2.5, null, integer(4), std::string("x")});
  const Batch batch = batch_of({whole.slice(1, 3)});
  EXPECT_EQ(results(binary(add, column("a"), literal(1)), batch),
            (std::vector<std::string>{"3.5", "null", "5"}));
}

TEST(Arithmetic, RefusesNestedValues) {
  EXPECT_EQ(result(binary(multiply, literal(1), column("a")), {std::string("{}")}),
            "bad type: *: wanted a number, found the nested value {}");
}

TEST(Arithmetic, LongValuesAreCutInMessages) {
  EXPECT_EQ(result(binary(add, column("a"), literal(1)), {std::string(100, 'x')}),
            "bad type: +: wanted a number, found the string \"" + std::string(40, 'x') + "...\"");
}

}  // namespace
}  // namespace tiderace::testing
