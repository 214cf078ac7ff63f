// State that is found, missing, foreign, or of another plan.

#include "runtime/recovery.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "golden/test_log.h"
#include "log/held_clock.h"
#include "runtime/observed.h"
#include "runtime/test_service.h"
#include "temporary_directory.h"

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

/// Local state with a key more than its changelog: its deletion came while another machine had the partition,
/// and has been compacted away since.
TEST(Restore, ForgetsLocalStateThatIsOlderThanDeletionsAreKept) {
  for (const std::int64_t hours : {11, 13, -13}) {
    TestService service(sums);
    HeldClock clock;
    clock.move_to(1'700'000'000'000);
    service.context.clock = &clock;
    const std::shared_ptr<StateStores> stores = service.context.stores;
    service.produce_all(ones(3));
    service.run();
    {
      const auto store = stores->open("group/in/0");
      store->apply(std::vector<Change>{{"deleted", "1"}}, store->position());
    }
    service.context.stores = memory_state_stores();
    service.produce_all(ones(4));
    service.run();
    service.context.stores = stores;
    service.produce_all(ones(1));
    clock.move_to(clock.wall_ms() + hours * 3'600'000);
    service.run();
    EXPECT_EQ(service.values("out").back(), sum_of(8));
    EXPECT_EQ(stores->open("group/in/0")->get("deleted").has_value(), hours == 11);
    // Nothing came since: it is as new as can be, however long ago that was.
    const auto store = stores->open("group/in/0");
    store->apply(std::vector<Change>{{"own", "1"}}, store->position());
    clock.move_to(clock.wall_ms() + 100 * 3'600'000);
    service.run();
    EXPECT_TRUE(stores->open("group/in/0")->get("own"));
  }
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

TEST(Restore, RefusesTheStateOfAnotherLogThatIsShorter) {
  TestService service(sums);
  service.produce_all(ones(3));
  service.run();
  const std::shared_ptr<StateStores> of_first_log = service.context.stores;
  service.context.log = memory_log();
  service.context.stores = memory_state_stores();
  for (int i = 0; i < 5; ++i) {
    service.produce_all(ones(10));
    service.run();
  }
  service.context.stores = of_first_log;
  service.produce_all(ones(1));
  const std::string text = service.run_to_error(ErrorKind::state);
  EXPECT_NE(text.find("belongs to the changelog of another log"), std::string::npos) << text;
  EXPECT_EQ(service.values("out").size(), 50u);
}

TEST(Restore, RefusesTheChangelogOfAnotherApplication) {
  TestService service(R"(sdf = app.dataframe(app.topic("b-c"))
sdf["s"] = sdf["x"].rolling(100, min_periods=1).sum()
sdf.to_topic(app.topic("out"))
)");
  service.context.options.consumer_group = "a";
  service.produce_all(ones(1), "b-c");
  service.run();
  service.plan = R"(sdf = app.dataframe(app.topic("c"))
sdf["s"] = sdf["x"].rolling(100, min_periods=1).sum()
sdf.to_topic(app.topic("out"))
)";
  service.context.options.consumer_group = "a-b";
  service.produce_all(ones(1), "c");
  const std::string text = service.run_to_error(ErrorKind::config);
  EXPECT_NE(text.find("a-b-c-changelog is the changelog of consumer_group a and topic b-c"),
            std::string::npos)
      << text;
}

TEST(Restore, RefusesATopicThatIsNoChangelog) {
  TestService service(sums);
  service.produce_all(ones(1));
  service.produce(changelog_topic("group", "in"), "k", "v");
  const std::string text = service.run_to_error(ErrorKind::state);
  EXPECT_NE(text.find("does not begin as the changelog of an application does"), std::string::npos) << text;
}

TEST(Restore, IsCutShortByAStopAndGoesOnFromThere) {
  TestService service(sums);
  service.produce_all(ones(3));
  service.run();
  service.context.stores = memory_state_stores();
  service.produce_all(ones(1));
  RunState stopped;
  stopped.stop = true;
  EXPECT_EQ(service.run(stopped).rows_in, 0u);
  Stage stage(resolve_stage(source_of(service.pipeline->ends().front()), service.pipeline->ends()));
  EXPECT_EQ(restore(service.context, stage, {"in", 0}, [] { return true; }), nullptr);
  service.run();
  EXPECT_EQ(service.values("out").back(), sum_of(4));
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

TEST(ChangedStep, WithANameStartsAnewToo) {
  const auto plan = [](const std::string& step) {
    return "sdf = app.dataframe(app.topic(\"in\"))\nsdf[\"s\"] = sdf[\"x\"]." + step +
           "\nsdf.to_topic(app.topic(\"out\"))\n";
  };
  TestService service("");
  const std::vector<std::pair<std::string, std::string>> steps = {
      {R"(rolling(100, min_periods=1, name="q").sum())", R"({"x":1,"s":3})"},
      {R"(rolling("10s", name="q").sum())", R"({"x":1,"s":3})"},
      {R"(shift(1, name="q"))", R"({"x":1,"s":1})"},
      {R"(shift(3, name="q"))", R"({"x":1,"s":null})"},
      {R"(diff(1, name="q"))", R"({"x":1,"s":0})"},
      {R"(rolling(100, min_periods=1, name="q").sum())", R"({"x":1,"s":6})"},  // it goes on with what it left
  };
  for (const auto& [step, last] : steps) {
    service.plan = plan(step);
    service.produce_all(ones(3));
    service.run();
    EXPECT_EQ(service.values("out").back(), last) << step;
  }
}

TEST(ChangedStep, WithANameKeepsItsStateUnderAnotherColumn) {
  TestService service(R"(sdf = app.dataframe(app.topic("in"))
sdf["s"] = sdf["x"].rolling(100, min_periods=1, name="q").sum()
sdf.to_topic(app.topic("out"))
)");
  service.produce_all(ones(3));
  service.run();
  service.plan = R"(sdf = app.dataframe(app.topic("in"))
sdf["z"] = sdf["x"] * 10
sdf["s"] = sdf["z"].rolling(100, min_periods=1, name="q").sum()
sdf.to_topic(app.topic("out"))
)";
  service.produce_all(ones(1));
  service.run();
  EXPECT_EQ(service.values("out").back(), R"({"x":1,"z":10,"s":13})");
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

TEST(Memory, IsThatOfAllPartitionsOfAWorker) {
  const auto held = [](std::size_t most) {
    TestService service(
        "sdf = app.dataframe(app.topic(\"in\"))\n"
        "sdf[\"y\"] = sdf[\"x\"].shift(1)\n"
        "sdf.to_topic(app.topic(\"out\"))\n");
    service.context.options.max_state_memory = most;
    service.create_topic("in", 8);
    for (int i = 0; i < 20'000; ++i) service.produce("in", "key" + std::to_string(i), R"({"x":1})");
    service.run();
    std::size_t bytes = 0;
    for (const auto& worker : service.context.metrics->workers())
      for (const PartitionReport& partition : worker->report().partitions) bytes += partition.memory_bytes;
    return bytes;
  };
  const std::size_t all = held(SIZE_MAX);
  EXPECT_GT(all, 20'000u * 8);
  EXPECT_LE(held(all / 2), all / 2);
}

TEST(StateTtl, ForgetsTheSameWhateverTheBatchesAndRestarts) {
  constexpr const char* plan = R"(sdf = app.dataframe(app.topic("in", timestamp="t"))
sdf["n"] = sdf["x"].rolling(4, min_periods=1).count()
sdf["s"] = sdf["x"].rolling("60s", grace="60s").sum()
sdf["d"] = sdf["x"].diff()
sdf.to_topic(app.topic("out"))
)";
  std::map<std::string, Texts> expected;
  for (const std::size_t batch_rows : {std::size_t{1000}, std::size_t{1}, std::size_t{7}}) {
    for (const int restarts : {0, 4}) {
      TestService service(plan);
      service.context.options.state_ttl = std::chrono::seconds(20);
      service.context.options.commit_interval = std::chrono::nanoseconds(1);
      service.context.options.max_state_memory = restarts == 0 ? std::size_t{1} << 20 : 0;
      const std::shared_ptr<Log> log = service.context.log;
      for (int i = 0; i < 300; ++i) {
        const int t = i * 1000 - (i % 13 == 6 ? 25'000 : 0);
        service.produce("in", "key" + std::to_string(i * i % 37),
                        "{\"t\":" + std::to_string(std::max(t, 0)) + ",\"x\":" + std::to_string(i) + "}");
        if (restarts > 0 && i % 60 == 59) {
          service.context.log = std::make_shared<TestLog>(log, batch_rows);
          service.run();
          service.context.log = log;
          if (i % 120 == 59) service.context.stores = memory_state_stores();
        }
      }
      service.context.log = std::make_shared<TestLog>(log, batch_rows);
      service.run();
      if (expected.empty()) {
        expected = service.by_key("out");
        const Texts& values = expected.begin()->second;
        EXPECT_TRUE(std::any_of(values.begin() + 1, values.end(), [](const std::string& value) {
          return value.ends_with("\"d\":null}");
        })) << "something is forgotten";
      }
      EXPECT_EQ(service.by_key("out"), expected)
          << batch_rows << " rows a batch, " << restarts << " restarts";
    }
  }
}

}  // namespace
}  // namespace tiderace
