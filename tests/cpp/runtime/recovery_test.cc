// State that is found, missing, foreign, or of another plan.

#include "runtime/recovery.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "log/temporary_directory.h"
#include "runtime/observed.h"
#include "runtime/test_service.h"

namespace tiderace {
namespace {

using Texts = std::vector<std::string>;

constexpr const char* sums = R"(sdf = app.dataframe(app.topic("in"))
sdf["s"] = sdf["x"].rolling(100, min_periods=1).sum()
sdf.to_topic(app.topic("out"))
)";

Texts ones(std::size_t rows) {
  return Texts(rows, R"({"x":1})");
}
std::string sum_of(int sum) {
  return R"({"x":1,"s":)" + std::to_string(sum) + "}";
}

TEST(Restore, BringsBackARemovedStateDirectory) {
  const TemporaryDirectory directory;
  TestService service(sums);
  service.create_topic("in", 2);
  int sum = 0;
  for (int round = 0; round < 4; ++round) {
    service.context.stores = rocksdb_state_stores(directory.path() + "/state");
    service.produce_all(ones(3));
    service.run();
    sum += 3;
    EXPECT_EQ(service.by_key("out")["k"].back(), sum_of(sum));
    service.context.stores.reset();
    if (round % 2 == 0) std::filesystem::remove_all(directory.path() + "/state");
  }
}

TEST(Restore, BringsOldLocalStateUpToTheChangelog) {
  TestService service(sums);
  const std::shared_ptr<StateStores> stores = service.context.stores;
  service.produce_all(ones(3));
  service.run();
  // Another machine goes on; then this one gets the partition back with what it has.
  service.context.stores = memory_state_stores();
  service.produce_all(ones(4));
  service.run();
  service.context.stores = stores;
  service.produce_all(ones(1));
  service.run();
  EXPECT_EQ(service.values("out").back(), sum_of(8));
}

TEST(Restore, RefusesTheStateOfAnotherLog) {
  TestService service(sums);
  service.produce_all(ones(3));
  service.run();
  service.context.log = memory_log();
  service.produce_all(ones(3));
  const std::string text = service.run_to_error(ErrorKind::state);
  EXPECT_NE(text.find("belongs to another log"), std::string::npos) << text;
  EXPECT_NE(text.find("Remove the directory state-directory/group/in"), std::string::npos) << text;
  EXPECT_TRUE(service.values("out").empty());
}

TEST(Restore, RefusesAChangelogWithAnotherNumberOfPartitions) {
  TestService service(sums);
  service.create_topic(changelog_topic("group", "in"), 3);
  service.create_topic("in", 2);
  const std::string text = service.run_to_error(ErrorKind::config);
  EXPECT_NE(text.find("group-in-changelog has 3 partitions, its input in has 2"), std::string::npos) << text;
}

TEST(Restore, WithoutStateKeepsNoChangelog) {
  TestService service(R"(sdf = app.dataframe(app.topic("in"))
sdf.to_topic(app.topic("out"))
)");
  service.produce_all(ones(3));
  service.run();
  EXPECT_FALSE(service.context.log->topic(changelog_topic("group", "in")).has_value());
}

TEST(ChangedStep, StartsAnewAndTheLogSaysSo) {
  TestService service(sums);
  service.produce_all(ones(3));
  service.run();
  service.plan = R"(sdf = app.dataframe(app.topic("in"))
sdf["s"] = sdf["x"].rolling(50, min_periods=1).sum()
sdf.to_topic(app.topic("out"))
)";
  service.produce_all(ones(1));
  testing::internal::CaptureStderr();
  service.run();
  const std::string said = testing::internal::GetCapturedStderr();
  EXPECT_NE(said.find("starts anew"), std::string::npos) << said;
  EXPECT_NE(said.find("it is kept"), std::string::npos) << said;
  EXPECT_EQ(service.values("out").back(), sum_of(1));
}

TEST(ChangedStep, ThatComesBackIsNotSaidToStartAnew) {
  TestService service(sums);
  const std::string first = sums;
  service.produce_all(ones(3));
  service.run();
  service.plan = R"(sdf = app.dataframe(app.topic("in"))
sdf["s"] = sdf["x"].rolling(50, min_periods=1).sum()
sdf.to_topic(app.topic("out"))
)";
  service.produce_all(ones(1));
  service.run();
  service.plan = first;
  service.produce_all(ones(1));
  testing::internal::CaptureStderr();
  service.run();
  const std::string said = testing::internal::GetCapturedStderr();
  EXPECT_EQ(said.find("starts anew"), std::string::npos) << said;
  EXPECT_NE(said.find("goes on with the state that it left"), std::string::npos) << said;
  EXPECT_EQ(service.values("out").back(), sum_of(4));
}

TEST(ChangedStep, BesideOthersLeavesThemAlone) {
  TestService service(sums);
  service.produce_all(ones(3));
  service.run();
  service.plan = R"(sdf = app.dataframe(app.topic("in"))
sdf["d"] = sdf["x"].diff()
sdf["s"] = sdf["x"].rolling(100, min_periods=1).sum()
sdf.to_topic(app.topic("out"))
)";
  service.produce_all(ones(1));
  service.run();
  EXPECT_EQ(service.values("out").back(), R"({"x":1,"d":null,"s":4})");
}

TEST(Memory, OfHotStateMayBeAsSmallAsItLikes) {
  constexpr const char* plan = R"(sdf = app.dataframe(app.topic("in", timestamp="t"))
sdf["s"] = sdf["x"].rolling("10s").mean()
sdf["m"] = sdf["x"].rolling(7, min_periods=2).max()
sdf["d"] = sdf["x"].diff()
sdf.to_topic(app.topic("out"))
)";
  std::map<std::string, Texts> expected;
  for (const std::size_t memory : {std::size_t{512} << 20, std::size_t{0}, std::size_t{4000}}) {
    TestService service(plan);
    service.context.options.max_state_memory = memory;
    service.context.options.commit_interval = std::chrono::nanoseconds(1);
    for (int round = 0; round < 4; ++round) {
      for (int i = 0; i < 50; ++i) {
        const int t = round * 50000 + i * 1000;
        service.produce("in", "key" + std::to_string(i * i % 17),
                        "{\"t\":" + std::to_string(t) + ",\"x\":" + std::to_string(i * 0.37) + "}");
      }
      service.run();
    }
    if (expected.empty()) expected = service.by_key("out");
    EXPECT_EQ(service.by_key("out"), expected) << memory;
  }
}

}  // namespace
}  // namespace tiderace
