#include <gtest/gtest.h>

#include <limits>

#include "expr/rows.h"

namespace tiderace::testing {
namespace {

const auto n = integer;
const double infinity = std::numeric_limits<double>::infinity();
Scalar s(const char* text) {
  return std::string(text);
}

TEST(Cast, FollowsTheTable) {
  struct Case {
    Kind kind;
    Scalar value;
    const char* expected;
  };
  const std::vector<Case> cases{
      {Kind::boolean, true, "true"},
      {Kind::boolean, n(2), "true"},
      {Kind::boolean, 0.0, "false"},
      {Kind::boolean, 2.5, "true"},
      {Kind::boolean, s("True"), "true"},
      {Kind::boolean, s("0"), "false"},
      {Kind::boolean, s("yes"), R"(bad type: astype("bool"): wanted true or false, found the string "yes")"},
      {Kind::boolean, s("{}"),
       R"(bad type: astype("bool"): wanted true or false, found the nested value {})"},
      {Kind::int64, true, "1"},
      {Kind::int64, 2.0, "2"},
      {Kind::int64, -0.0, "0"},
      {Kind::int64, 2.5, R"(bad type: astype("int64"): wanted an int64, found the number 2.5)"},
      {Kind::int64, 1e19,
       R"(bad range: astype("int64"): wanted an int64, found the number 1e+19, which is beyond it)"},
      {Kind::int64, infinity,
       R"(bad range: astype("int64"): wanted an int64, found the number inf, which is beyond it)"},
      {Kind::int64, s("12"), "12"},
      {Kind::int64, s(" +12 "), "12"},
      {Kind::int64, s("-9223372036854775808"), "-9223372036854775808"},
      {Kind::int64, s("+-1"), R"(bad type: astype("int64"): wanted an int64, found the string "+-1")"},
      {Kind::int64, s("12.0"), R"(bad type: astype("int64"): wanted an int64, found the string "12.0")"},
      {Kind::int64, s(""), R"(bad type: astype("int64"): wanted an int64, found the string "")"},
      {Kind::int64, s("9223372036854775808"),
       R"(bad range: astype("int64"): wanted an int64, found the string "9223372036854775808", which is beyond it)"},
      {Kind::float64, n(3), "3.0"},
      {Kind::float64, n(9007199254740993), "9007199254740992.0"},
      {Kind::float64, true, "1.0"},
      {Kind::float64, s("1.5e3"), "1500.0"},
      {Kind::float64, s(" -.5 "), "-0.5"},
      {Kind::float64, s("inf"), "inf"},
      {Kind::float64, s("nan"), "null"},
      {Kind::float64, s("1,5"), R"(bad type: astype("float64"): wanted a float64, found the string "1,5")"},
      {Kind::float64, s("1e400"),
       R"(bad range: astype("float64"): wanted a float64, found the string "1e400", which is beyond it)"},
      {Kind::string, true, "\"True\""},
      {Kind::string, n(-12), "\"-12\""},
      {Kind::string, 2.0, "\"2.0\""},
      {Kind::string, 0.1, "\"0.1\""},
      {Kind::string, 1e300, "\"1e+300\""},
      {Kind::string, -infinity, "\"-inf\""},
      {Kind::string, s("x"), "\"x\""},
      {Kind::string, s("[1, 2]"), "\"[1, 2]\""},
  };
  std::vector<Row> rows;
  for (const Case& c : cases) {
    EXPECT_EQ(result(make_expression(Cast{column("a"), c.kind}), {c.value}), c.expected);
    EXPECT_EQ(result(make_expression(Cast{column("a"), c.kind}), {null}), "null");
    rows.push_back({c.value});
  }
  for (const Kind kind : {Kind::boolean, Kind::int64, Kind::float64, Kind::string}) {
    const auto together = results(make_expression(Cast{column("a"), kind}), batch_of(rows));
    for (std::size_t i = 0; i < rows.size(); ++i) {
      EXPECT_EQ(together[i], result(make_expression(Cast{column("a"), kind}), rows[i]));
    }
  }
}

TEST(Cast, BytesBecomeAStringIfTheyAreUtf8) {
  ColumnBuilder out(2);
  out.set_text(0, Kind::bytes, "\xC3\xBC");
  out.set_text(1, Kind::bytes, "\xFF\xFE");
  const Batch batch = batch_of({Column(std::move(out))});
  EXPECT_EQ(
      results(make_expression(Cast{column("a"), Kind::string}), batch),
      (std::vector<std::string>{"\"ü\"", R"(bad type: astype("string"): wanted UTF-8 text, found 2 bytes)"}));
}

}  // namespace
}  // namespace tiderace::testing
