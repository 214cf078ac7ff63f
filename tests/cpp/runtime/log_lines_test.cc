#include "base/logging.h"
#include "runtime/test_service.h"

namespace tiderace {
namespace {

constexpr std::int64_t second_ns = 1'000'000'000;

std::string log_of(TestService& service) {
  ::testing::internal::CaptureStderr();
  service.run();
  return ::testing::internal::GetCapturedStderr();
}

std::size_t lines(const std::string& text) {
  return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
}

TEST(LogPace, LetsALineASecondThroughAndCountsWhatItHeldBack) {
  LogPace pace;
  EXPECT_EQ(pace.note(3, 5 * second_ns), 3u);
  EXPECT_EQ(pace.note(1, 5 * second_ns + 1), 0u);
  EXPECT_EQ(pace.note(2, 6 * second_ns - 1), 0u);
  EXPECT_EQ(pace.note(1, 6 * second_ns), 4u);
  EXPECT_EQ(pace.note(0, 9 * second_ns), 0u);
}

TEST(LogLines, LateRowsAreLoggedWithTheirStep) {
  TestService service(
      "sdf = app.dataframe(app.topic(\"in\", timestamp=\"t\"))\n"
      "sdf[\"y\"] = sdf[\"x\"].rolling(\"1s\").sum()\n"
      "sdf.to_topic(app.topic(\"out\"))\n");
  service.produce_all({R"({"t":9000,"x":1})", R"({"t":10,"x":1})", R"({"t":20,"x":1})"});
  const std::string log = log_of(service);
  EXPECT_EQ(lines(log), 1u) << log;
  EXPECT_NE(log.find("WARNING in partition 0: late rows: 2, the last at offset 2, step 1 "),
            std::string::npos)
      << log;
}

TEST(LogLines, BadRowsThatAreSkippedAreLogged) {
  TestService service(
      "sdf = app.dataframe(app.topic(\"in\"))\n"
      "sdf[\"y\"] = sdf[\"x\"].abs()\n"
      "sdf.to_topic(app.topic(\"out\"))\n");
  service.context.options.on_error = ErrorPolicy::skip;
  service.produce_all({R"({"x":"high"})", R"({"x":"low"})"});
  const std::string log = log_of(service);
  EXPECT_EQ(lines(log), 1u) << log;
  EXPECT_NE(log.find("WARNING bad rows skipped: 1, the last: in partition 0 offset 0, step 1 "),
            std::string::npos)
      << log;
}

}  // namespace
}  // namespace tiderace
