#include "gateway/target.h"

#include <gtest/gtest.h>

namespace tiderace::gateway {
namespace {

TEST(GatewayTarget, IsUnescaped) {
  const auto target = parse_target("/v1/topics/a%20b?key=r%C3%A9+1&key=x&empty=&flag&&a=b=c#rest");
  ASSERT_TRUE(target);
  EXPECT_EQ(target->path, "/v1/topics/a b");
  using Query = std::vector<std::pair<std::string, std::string>>;
  EXPECT_EQ(target->query,
            (Query{{"key", "r\xc3\xa9 1"}, {"key", "x"}, {"empty", ""}, {"flag", ""}, {"a", "b=c"}}));
  EXPECT_EQ(*target->find("key"), "r\xc3\xa9 1");
  EXPECT_EQ(target->find("none"), nullptr);
}

TEST(GatewayTarget, WhatIsNoneIsRefused) {
  for (const char* const text :
       {"", "v1", "http://x/", "/%", "/%4", "/%zz", "/%00", "/%0a", "/a?b=%ff", "/a?%c3=1", "/%7f", "/\x01"})
    EXPECT_FALSE(parse_target(text)) << text;
}

TEST(GatewayTarget, PositionsComeBack) {
  const std::string text = "a:b:1:7,alerts:0:17,alerts:12:9223372036854775807";
  const auto positions = parse_positions(text);
  ASSERT_TRUE(positions);
  EXPECT_EQ(positions->at({"alerts", 12}), INT64_MAX);
  EXPECT_EQ(positions->at({"a:b", 1}), 7);
  EXPECT_EQ(to_string(*positions), text);
  EXPECT_TRUE(parse_positions("")->empty());
  for (const char* const wrong : {"a", "a:1", ":1:1", "a:-1:0", "a:0:-1", "a:0:x", "a:x:0", "a::0",
                                  "a:0:", ",", "a:99999999999:0", "a:0:9223372036854775808"})
    EXPECT_FALSE(parse_positions(wrong)) << wrong;
  std::string many;
  for (std::size_t i = 0; i <= max_positions; ++i) many += "t:" + std::to_string(i) + ":0,";
  EXPECT_FALSE(parse_positions(many));
}

TEST(GatewayTarget, PatternsAndNames) {
  EXPECT_TRUE(matches("*", ""));
  EXPECT_TRUE(matches("rider-*", "rider-1"));
  EXPECT_FALSE(matches("rider-*", "rider"));
  EXPECT_TRUE(matches("rider", "rider"));
  EXPECT_FALSE(matches("rider", "rider-1"));
  EXPECT_FALSE(matches_any({}, "x"));
  EXPECT_TRUE(is_session_name("aZ9._-"));
  EXPECT_FALSE(is_session_name(""));
  EXPECT_FALSE(is_session_name("a/b"));
  EXPECT_FALSE(is_session_name(std::string(65, 'a')));
  EXPECT_EQ(split("a,,b,"), (std::vector<std::string>{"a", "b"}));
}

}  // namespace
}  // namespace tiderace::gateway
