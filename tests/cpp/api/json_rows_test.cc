#include <gtest/gtest.h>
#include <tiderace/tiderace.h>

namespace tiderace {
namespace {

using Values = std::vector<std::string>;

Values values_of(std::string_view text) {
  JsonRows rows;
  Values values;
  for (const JsonRow& row : rows.read(text)) values.emplace_back(row.value);
  return values;
}

std::string refusal_of(std::string_view text, const JsonRowsOptions& options = {}) {
  JsonRows rows(options);
  try {
    static_cast<void>(rows.read(text));
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::config);
    return error.what();
  }
  return {};
}

TEST(JsonRows, TakesAnObjectAnArrayOrLines) {
  EXPECT_EQ(values_of(R"({"a":1})"), (Values{R"({"a":1})"}));
  EXPECT_EQ(values_of(" {\"a\": [1, {\"b\": \"}]\\\"\"}]}\n"), (Values{R"({"a": [1, {"b": "}]\""}]})"}));
  EXPECT_EQ(values_of(R"( [ {"a":1} , {"a":2}] )"), (Values{R"({"a":1})", R"({"a":2})"}));
  EXPECT_EQ(values_of("{\"a\":1}\r\n\n{\"a\":2}\n"), (Values{R"({"a":1})", R"({"a":2})"}));
  EXPECT_EQ(values_of("[]"), Values{});
}

TEST(JsonRows, NamesTheFirstRowThatIsNotSound) {
  EXPECT_EQ(refusal_of(""), "wanted rows in JSON, found nothing");
  EXPECT_EQ(refusal_of("7"), "row 1: wanted an object at byte 0, found byte 0x37");
  EXPECT_EQ(refusal_of(R"({"a":1},{"a":2})"), "row 2: wanted an object at byte 7, found byte 0x2c");
  EXPECT_EQ(refusal_of(R"([{"a":1},])"), "row 2: wanted an object at byte 9, found byte 0x5d");
  EXPECT_EQ(refusal_of(R"([{"a":1}] x)"),
            "row 2: wanted the end after the array at byte 10, found byte 0x78");
  EXPECT_NE(refusal_of(R"({"a":01})").find("row 1: "), std::string::npos);
  EXPECT_NE(refusal_of("{\"a\":\"\xff\"}").find("row 1: "), std::string::npos);
  EXPECT_NE(refusal_of(R"({"a":[1}})").find("row 1: "), std::string::npos);
  EXPECT_NE(refusal_of("{\"a\":1}\n{\"a\":tru}").find("row 2: "), std::string::npos);
  EXPECT_NE(refusal_of("{\"a\":\"never ends}").find("row 1: "), std::string::npos);
}

TEST(JsonRows, SaysWhatDoesNotEnd) {
  const std::pair<const char*, const char*> texts[] = {
      {R"({"a":1)", "row 1: wanted `,` or `}`, but the text ends inside the object that begins at byte 0"},
      {R"([{"a":1)", "row 1: wanted `,` or `}`, but the text ends inside the object that begins at byte 1"},
      {R"({"a":[1)", "row 1: wanted `,` or `]`, but the text ends inside the array that begins at byte 5"},
      {R"({"a":"x)", "row 1: the text ends inside a string that begins at byte 5"},
      {"{\"a\":1}\n{\"b\":\"}",  // bytes are those of the text, not of the row
       "row 2: the text ends inside a string that begins at byte 13"},
      {R"([{"a":1})", "row 2: wanted , or ], but the text ends inside the array that begins at byte 0"},
      {" [", "row 1: wanted an object, but the text ends inside the array that begins at byte 1"},
      {R"({"a":[1})", "row 1: wanted `,` or `]`, found `}` at byte 7"},
      {R"({"a":1 {"b":2})", "row 1: wanted `,` or `}`, found `{` at byte 7"},
  };
  for (const auto& [text, refusal] : texts) EXPECT_EQ(refusal_of(text), refusal);
}

TEST(JsonRows, TakesKeysAndTimesOutOfFields) {
  JsonRows rows({.key = "rider", .timestamp = "at"});
  const auto read = rows.read(R"([{"rider":"anna","at":5},{"rider":7,"at":6.9}])");
  ASSERT_EQ(read.size(), 2u);
  EXPECT_EQ(read[0].key, "anna");
  EXPECT_EQ(read[0].timestamp, 5);
  EXPECT_EQ(read[1].key, "7");
  EXPECT_EQ(read[1].timestamp, 6);
  EXPECT_NE(
      refusal_of(R"([{"rider":"a"},{"x":1}])", {.key = "rider"}).find("row 2: wanted a string or an integer"),
      std::string::npos);
  EXPECT_NE(refusal_of(R"({"at":-1})", {.timestamp = "at"}).find("row 1: wanted milliseconds"),
            std::string::npos);
}

TEST(JsonRows, TakesHeadersOutOfFields) {
  using Headers = std::vector<std::pair<std::string, std::optional<std::string>>>;
  JsonRows rows({.key = "rider", .headers = {{"bike", "bike"}, {"who", "rider"}}});
  const auto read =
      rows.read(R"([{"rider":"anna","bike":{"gears":[1,2]}},{"rider":7,"bike":null},{"rider":"x"}])");
  ASSERT_EQ(read.size(), 3u);
  EXPECT_EQ(read[0].headers, (Headers{{"bike", R"({"gears":[1,2]})"}, {"who", "anna"}}));
  EXPECT_EQ(read[1].headers, (Headers{{"who", "7"}}));
  EXPECT_EQ(read[2].key, "x");
}

}  // namespace
}  // namespace tiderace
