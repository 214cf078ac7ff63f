#include <gtest/gtest.h>
#include <tiderace/error.h>

#include "expr/rows.h"

namespace tiderace::testing {
namespace {

Scalar s(const char* text) {
  return std::string(text);
}
std::string of(UnaryOperator op, Scalar value) {
  return result(unary(op, column("a")), {std::move(value)});
}
std::string match(MatchKind kind, const char* pattern, Scalar value) {
  return result(make_expression(Match{column("a"), kind, pattern}), {std::move(value)});
}

TEST(Strings, ChangeCaseInAllOfUnicode) {
  using enum UnaryOperator;
  EXPECT_EQ(of(lower, s("Hello World 12 [@Z`")), "\"hello world 12 [@z`\"");
  EXPECT_EQ(of(upper, s("hello {a} z")), "\"HELLO {A} Z\"");
  EXPECT_EQ(of(lower, s("ÄÖÜ ΑΒΓ ЖЗИ")), "\"äöü αβγ жзи\"");
  EXPECT_EQ(of(upper, s("straße ﬁ ÿ 日本 😀")), "\"STRAẞE ﬁ Ÿ 日本 😀\"");
  EXPECT_EQ(of(lower, s("Ⱥ")), "\"ⱥ\"");
  EXPECT_EQ(of(lower, s("")), "\"\"");
  EXPECT_EQ(of(lower, null), "null");
  EXPECT_EQ(of(lower, 1.5), "bad type: str.lower: wanted a string, found the number 1.5");
}

TEST(Strings, SharedTextIsTakenRowByRow) {
  const Column whole = column_of({s("AB"), null, s("Ü"), s("CD")});
  EXPECT_EQ(results(unary(UnaryOperator::lower, column("a")), batch_of({whole.slice(1, 3)})),
            (std::vector<std::string>{"null", "\"ü\"", "\"cd\""}));
}

TEST(Strings, LengthCountsCodePoints) {
  using enum UnaryOperator;
  EXPECT_EQ(of(length, s("añ😀")), "3");
  EXPECT_EQ(of(length, s("")), "0");
  EXPECT_EQ(of(length, null), "null");
  EXPECT_EQ(of(length, true), "bad type: str.len: wanted a string, found true");
}

TEST(Strings, Match) {
  using enum MatchKind;
  EXPECT_EQ(match(contains_regex, "^r.n+ing$", s("running")), "true");
  EXPECT_EQ(match(contains_regex, "^.$", s("ü")), "true");
  EXPECT_EQ(match(contains_regex, "(?i)RUN", s("run")), "true");
  EXPECT_EQ(match(contains_regex, "", s("")), "true");
  EXPECT_EQ(match(contains_literal, "a.b", s("xa.by")), "true");
  EXPECT_EQ(match(contains_literal, "a.b", s("xaxby")), "false");
  EXPECT_EQ(match(starts_with, "ru", s("run")), "true");
  EXPECT_EQ(match(starts_with, "run!", s("run")), "false");
  EXPECT_EQ(match(ends_with, "un", s("run")), "true");
  EXPECT_EQ(match(ends_with, "un", null), "null");
  EXPECT_EQ(match(ends_with, "un", s("[]")),
            "bad type: str.endswith: wanted a string, found the nested value []");
}

TEST(Strings, APatternThatCannotBeIsAPlanError) {
  try {
    static_cast<void>(evaluator_of(make_expression(Match{column("a"), MatchKind::contains_regex, "("})));
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::plan);
    EXPECT_STREQ(error.what(),
                 "str.contains: wanted a regular expression (RE2 syntax), found \"(\": missing ): (; for the "
                 "text itself say regex=False");
  }
}

}  // namespace
}  // namespace tiderace::testing
