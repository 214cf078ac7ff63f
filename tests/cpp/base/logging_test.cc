#include "base/logging.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "base/utf8.h"

namespace tiderace {
namespace {

constexpr std::int64_t some_ms = 1'795'634'461'007;

TEST(Logging, ALineOfTextHasTimeAndLevel) {
  EXPECT_EQ(format_log_line(LogFormat::text, LogLevel::warning, some_ms, "all is \"well\""),
            "2026-11-25T19:21:01.007Z WARNING all is \"well\"\n");
}

TEST(Logging, ALineOfJsonIsOneObjectWithWhoSaidIt) {
  EXPECT_EQ(format_log_line(LogFormat::json, LogLevel::error, some_ms, "a \"b\" \\ c\nd\te\x01"),
            fmt::format(R"({{"time":"2026-11-25T19:21:01.007Z","level":"error","process":{0},"thread":{0},)"
                        R"("message":"a \"b\" \\ c\nd\u0009e\u0001"}})"
                        "\n",
                        ::getpid()));
}

TEST(Logging, JsonIsValidUtf8WhateverItIsGiven) {
  const std::string line = format_log_line(LogFormat::json, LogLevel::info, some_ms, "caf\xC3\xA9 \xFF\xC3");
  EXPECT_NE(line.find("\"caf\xC3\xA9 \xEF\xBF\xBD\xEF\xBF\xBD\""), std::string::npos) << line;
}

TEST(Utf8, WellFormedTextStays) {
  const std::string text =
      "a \xC2\x80 \xDF\xBF \xE0\xA0\x80 \xED\x9F\xBF \xEE\x80\x80 \xF0\x90\x80\x80 \xF4\x8F\xBF\xBF";
  EXPECT_EQ(to_valid_utf8(text), text);
  EXPECT_EQ(to_valid_utf8(""), "");
  EXPECT_EQ(to_valid_utf8(std::string_view("\0", 1)), std::string("\0", 1));
}

TEST(Utf8, EveryByteOfWhatIsNoneIsReplaced) {
  const std::string bad = "\xEF\xBF\xBD";
  EXPECT_EQ(to_valid_utf8("\xC0\x80"), bad + bad);                      // overlong
  EXPECT_EQ(to_valid_utf8("\xE0\x9F\xBF"), bad + bad + bad);            // overlong
  EXPECT_EQ(to_valid_utf8("\xED\xA0\x80"), bad + bad + bad);            // a surrogate
  EXPECT_EQ(to_valid_utf8("\xF4\x90\x80\x80"), bad + bad + bad + bad);  // beyond U+10FFFF
  EXPECT_EQ(to_valid_utf8("\xE2\x82"), bad + bad);                      // cut short
  EXPECT_EQ(to_valid_utf8("\x80x"), bad + "x");
}

}  // namespace
}  // namespace tiderace
