#include "gateway/net/headers.h"

#include <gtest/gtest.h>

#include "gateway/target.h"

namespace tiderace::gateway {
namespace {

TEST(GatewayHeaders, SubprotocolsMayHoldAToken) {
  const Subprotocols both = parse_subprotocols("other,  tiderace.v1 ,tiderace.token.abc");
  EXPECT_TRUE(both.ours);
  EXPECT_EQ(both.token, "abc");
  for (const char* const none : {"", "tiderace.v2", " , ,", "tiderace.token."}) {
    EXPECT_FALSE(parse_subprotocols(none).ours) << none;
    EXPECT_EQ(parse_subprotocols(none).token, "") << none;
  }
}

TEST(GatewayHeaders, ABearerHasAToken) {
  EXPECT_EQ(bearer_token("Bearer abc"), "abc");
  for (const char* const none : {"", "Bearer", "bearer abc", "Basic abc", " Bearer abc"})
    EXPECT_EQ(bearer_token(none), "") << none;
}

TEST(GatewayHeaders, OriginsAndHosts) {
  EXPECT_EQ(host_of("https://example.org:8080"), "example.org:8080");
  EXPECT_EQ(host_of("null"), "");
  EXPECT_EQ(origin_of("https://tiles.example.org/{z}.png"), "https://tiles.example.org");
  EXPECT_EQ(origin_of("https://evil.example; script-src *"), "https://evil.example");
  EXPECT_EQ(origin_of("/tiles"), "");
  for (const char* const own : {"localhost", "localhost:80", "127.0.0.1:8080", "[::1]", "[::1]:80"})
    EXPECT_TRUE(is_loopback(own)) << own;
  for (const char* const other : {"", "evil.example", "localhost.evil.example", "localhost:80:80", "::1"})
    EXPECT_FALSE(is_loopback(other)) << other;
}

TEST(GatewayHeaders, AReadersMessageIsAPosition) {
  const Positions one{{{"alerts", 0}, 17}};
  EXPECT_EQ(parse_position_message(R"({"position":"alerts:0:17"})"), one);
  EXPECT_EQ(parse_position_message(" {\n\t\"position\" : \"alerts:0:17\" }\r\n"), one);
  EXPECT_EQ(parse_position_message(R"({"position":""})"), Positions());
  for (const char* const none :
       {"", "{}", R"({"position":"})", R"({"position":"alerts"})", R"({"position":"a:0:1","x":1})"})
    EXPECT_FALSE(parse_position_message(none)) << none;
}

}  // namespace
}  // namespace tiderace::gateway
