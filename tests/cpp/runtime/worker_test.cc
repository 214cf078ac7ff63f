// When a run ends, where the next one begins, and how the work is shared.

#include "runtime/worker.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <optional>
#include <thread>

#include "golden/test_log.h"
#include "log/forwarding_log.h"
#include "runtime/observed.h"
#include "runtime/test_service.h"

namespace tiderace {
namespace {

using Texts = std::vector<std::string>;

constexpr const char* sums = R"(sdf = app.dataframe(app.topic("in"))
sdf["s"] = sdf["x"].rolling(100, min_periods=1).sum()
sdf.to_topic(app.topic("out"))
)";
constexpr const char* stateless = R"(sdf = app.dataframe(app.topic("in"))
sdf["y"] = sdf["x"] + 1
sdf.to_topic(app.topic("out"))
)";

std::string row(int x) {
  return "{\"x\":" + std::to_string(x) + "}";
}
Texts rows(int begin, int end) {
  Texts all;
  for (int i = begin; i < end; ++i) all.push_back(row(i));
  return all;
}
std::string with_sum(int x, int sum) {
  return "{\"x\":" + std::to_string(x) + ",\"s\":" + std::to_string(sum) + "}";
}

/// Time that goes on by a step with every look, and by jumps.
class JumpingClock final : public Clock {
 public:
  explicit JumpingClock(std::chrono::nanoseconds step = std::chrono::milliseconds(100))
      : step_ns_(step.count()) {}
  std::int64_t wall_ms() override { return 0; }
  std::int64_t steady_ns() override { return now_ns_ += step_ns_; }
  void jump(std::chrono::nanoseconds by) { now_ns_ += by.count(); }

 private:
  std::int64_t step_ns_;
  std::atomic<std::int64_t> now_ns_ = 0;
};

/// A log whose commits leave the group's offsets out, as if a crash had come between the state's changes and
/// the offsets.
class WithoutOffsets final : public Producer {
 public:
  explicit WithoutOffsets(std::unique_ptr<Producer> producer) : producer_(std::move(producer)) {}
  void send(std::string_view topic, std::span<const ProducerRecord> records,
            std::int32_t partition) override {
    producer_->send(topic, records, partition);
  }
  void flush() override { producer_->flush(); }
  std::map<TopicPartition, std::int64_t> commit(const std::string& group,
                                                std::span<const OffsetCommit>) override {
    return producer_->commit(group, {});
  }
  void abort() noexcept override { producer_->abort(); }

 private:
  std::unique_ptr<Producer> producer_;
};

class LogWithoutOffsets final : public ForwardingLog {
 public:
  using ForwardingLog::ForwardingLog;
  std::unique_ptr<Producer> producer(const ProducerOptions& options) override {
    return std::make_unique<WithoutOffsets>(forwarded().producer(options));
  }
};

TEST(UntilEnd, ProcessesWhatIsThereAndGoesOnFromThereNextTime) {
  TestService service(sums);
  EXPECT_EQ(service.run().rows_in, 0u);
  service.produce_all(rows(1, 4));
  EXPECT_EQ(service.run().rows_in, 3u);
  EXPECT_EQ(service.committed("in"), 3);
  EXPECT_EQ(service.run().rows_in, 0u);
  service.produce_all(rows(4, 5));
  const Summary summary = service.run();
  EXPECT_EQ(summary.rows_in, 1u);
  EXPECT_EQ(summary.rows_out, 1u);
  EXPECT_EQ(service.values("out"), (Texts{with_sum(1, 1), with_sum(2, 3), with_sum(3, 6), with_sum(4, 10)}));
}

TEST(UntilEnd, LeavesRowsThatCameAfterTheStart) {
  TestService service(stateless);
  service.produce_all(rows(0, 3));
  const std::shared_ptr<Log> log = service.context.log;
  TestService writer("");
  writer.context.log = log;
  bool written = false;
  service.context.log = std::make_shared<ObservedLog>(log, [&](std::string_view call) {
    if (call != "Consumer::start" || written) return;
    written = true;
    writer.produce_all(rows(3, 6));
  });
  EXPECT_EQ(service.run().rows_in, 3u);
  EXPECT_EQ(service.committed("in"), 3);
  EXPECT_EQ(service.run().rows_in, 3u);
}

TEST(Count, ReadsSoManyRowsOfAllPartitions) {
  for (const int workers : {1, 2}) {
    TestService service(stateless);
    service.context.options.workers = workers;
    service.create_topic("in", 3);
    for (int i = 0; i < 30; ++i) service.produce("in", std::nullopt, row(i), 1000, {}, i % 3);
    service.limits.until_end = false;
    service.limits.count = 7;
    EXPECT_EQ(service.run().rows_in, 7u);
    EXPECT_EQ(service.run().rows_in, 7u);
    service.limits.count = 16;
    EXPECT_EQ(service.run().rows_in, 16u);
    EXPECT_EQ(service.read("out").size(), 30u);
  }
}

/// 36 rows of two partitions and two workers, of which first 20 are wanted, then the others; the n-th call of
/// the first run finds the broker away. Whether one was.
bool count_where_rows_go_back(long n, std::optional<std::chrono::nanoseconds> interval) {
  TestService service(stateless);
  service.context.options.workers = 2;
  service.context.options.commit_interval = interval;
  service.create_topic("in", 2);
  for (int i = 0; i < 36; ++i) service.produce("in", std::nullopt, row(i), 1000, {}, i % 2);
  const std::shared_ptr<Log> log = service.context.log;
  std::atomic<long> calls = 0;
  bool failed = false;
  const auto observe = [&](std::string_view call) {
    const bool counts = call == "Consumer::poll" || call.starts_with("Producer::");
    if (!counts || ++calls != n) return;
    failed = true;
    throw BrokerAway(Error(ErrorKind::broker, "as the test asked"));
  };
  service.context.log = std::make_shared<ObservedLog>(std::make_shared<TestLog>(log, 6), observe);
  service.limits.until_end = false;
  service.limits.count = 20;
  EXPECT_EQ(service.run().rows_in, 20u) << n;
  service.context.log = log;
  EXPECT_EQ(service.read("out").size(), 20u) << n;
  const auto offsets = log->group_offsets("group");
  EXPECT_EQ(offsets.at({"in", 0}) + offsets.at({"in", 1}), 20) << n;
  service.limits.count = 16;
  EXPECT_EQ(service.run().rows_in, 16u) << n;
  Texts wanted;
  for (int i = 0; i < 36; ++i)
    wanted.push_back("{\"x\":" + std::to_string(i) + ",\"y\":" + std::to_string(i + 1) + "}");
  Texts found = service.values("out");
  std::sort(wanted.begin(), wanted.end());
  std::sort(found.begin(), found.end());
  EXPECT_EQ(found, wanted) << n;
  return failed;
}

TEST(Count, OfSeveralWorkersHoldsWhereRowsGoBack) {
  for (const auto interval : {std::chrono::nanoseconds(1), std::chrono::nanoseconds(std::chrono::hours(1))}) {
    long n = 1;
    while (count_where_rows_go_back(n, interval) && !testing::Test::HasFailure()) ++n;
    EXPECT_GT(n, 10);
  }
}

TEST(Count, DoesNotCountRowsBehindTheEnd) {
  TestService service(stateless);
  service.create_topic("in", 2);
  for (int i = 0; i < 4; ++i) service.produce("in", std::nullopt, row(i), 1000, {}, i % 2);
  const std::shared_ptr<Log> log = service.context.log;
  TestService writer("");
  writer.context.log = log;
  int started = 0;
  service.context.log = std::make_shared<ObservedLog>(log, [&](std::string_view call) {
    if (call != "Consumer::start" || ++started != 2) return;
    for (int i = 0; i < 10; ++i) writer.produce("in", std::nullopt, row(i), 1000, {}, 0);
  });
  service.limits.count = 4;
  EXPECT_EQ(service.run().rows_in, 4u);
}

TEST(Timeout, EndsARunWithoutNewRows) {
  TestService service(stateless);
  JumpingClock clock;
  service.context.clock = &clock;
  service.limits.until_end = false;
  service.limits.timeout = std::chrono::seconds(1);
  service.produce_all(rows(0, 3));
  EXPECT_EQ(service.run().rows_in, 3u);
  EXPECT_EQ(service.run().rows_in, 0u);
}

TEST(Timeout, DoesNotCountTheTimeThatRestoringTakes) {
  TestService service(sums);
  JumpingClock clock;
  service.context.clock = &clock;
  service.limits.until_end = false;
  service.limits.timeout = std::chrono::seconds(5);
  service.context.stores =
      std::make_shared<ObservedStores>(memory_state_stores(), [&](std::string_view call) {
        if (call == "StateStores::open") clock.jump(std::chrono::seconds(60));
      });
  service.produce_all(rows(0, 3));
  EXPECT_EQ(service.run().rows_in, 3u);
}

TEST(Timeout, DoesNotCountTheTimeThatARowTakes) {
  TestService service(stateless);
  JumpingClock clock;
  service.context.clock = &clock;
  service.limits.until_end = false;
  service.limits.timeout = std::chrono::seconds(5);
  const std::shared_ptr<Log> log = service.context.log;
  TestService writer("");
  writer.context.log = log;
  int asked = 0;
  service.context.options.on_error = [&](const BadRow&) {
    clock.jump(std::chrono::seconds(60));
    if (++asked == 1) writer.produce_all(rows(0, 3));  // waits behind the slow row
    return ErrorPolicy::skip;
  };
  service.produce_all({"slow"});
  EXPECT_EQ(service.run().rows_in, 4u);
}

/// Outputs of the first commit are lost on their way, as brokers may refuse them; what is sent later comes.
class LosesOutputsOnce final : public Producer {
 public:
  LosesOutputsOnce(std::unique_ptr<Producer> producer, bool& lost)
      : producer_(std::move(producer)), lost_(lost) {}
  void send(std::string_view topic, std::span<const ProducerRecord> records,
            std::int32_t partition) override {
    if (lost_) producer_->send(topic, records, partition);
  }
  void send_state(std::string_view topic, std::span<const ProducerRecord> records,
                  std::int32_t partition) override {
    producer_->send(topic, records, partition);
  }
  void flush() override { producer_->flush(); }
  std::map<TopicPartition, std::int64_t> commit(const std::string& group,
                                                std::span<const OffsetCommit> offsets) override {
    return producer_->commit(group, offsets);
  }
  void begin_commit(const std::string& group, std::span<const OffsetCommit> offsets) override {
    group_ = group;
    offsets_.assign(offsets.begin(), offsets.end());
  }
  [[nodiscard]] bool commit_ended() override {
    if (!std::exchange(lost_, true)) throw CommitLost(Error(ErrorKind::broker, "an output was refused"));
    return true;
  }
  [[nodiscard]] bool is_deciding() const override { return false; }
  std::map<TopicPartition, std::int64_t> end_commit() override { return commit(group_, offsets_); }
  void abort() noexcept override { producer_->abort(); }

 private:
  std::unique_ptr<Producer> producer_;
  bool& lost_;
  std::string group_;
  std::vector<OffsetCommit> offsets_;
};

class LogThatLosesOutputsOnce final : public ForwardingLog {
 public:
  using ForwardingLog::ForwardingLog;
  std::unique_ptr<Producer> producer(const ProducerOptions& options) override {
    return std::make_unique<LosesOutputsOnce>(forwarded().producer(options), lost_);
  }

 private:
  bool lost_ = false;
};

TEST(ExactlyOnce, CommitsTakeATenthOfTheTimeOverABacklog) {
  // 40 rows, one every 50 ms; a commit takes 40.
  const auto commits = [](bool behind, std::optional<std::chrono::nanoseconds> interval) {
    TestService service(sums);
    service.context.options.commit_interval = interval;
    service.limits.until_end = false;
    service.limits.count = 40;
    JumpingClock clock(std::chrono::nanoseconds(0));
    service.context.clock = &clock;
    service.produce("in", "k", row(0));
    const std::shared_ptr<Log> log = service.context.log;
    int produced = 1;
    int begun = 0;
    const auto observe = [&](std::string_view call) {
      if (call == "Producer::commit") ++begun;
      if (call == "Producer::end_commit") clock.jump(std::chrono::milliseconds(40));
      if (call != "Consumer::poll") return;
      clock.jump(std::chrono::milliseconds(50));
      if (produced < 40) service.produce("in", "k", row(produced++));
    };
    service.context.log = std::make_shared<ObservedLog>(log, observe, behind);
    EXPECT_EQ(service.run().rows_out, 40u);
    service.context.log = log;
    return begun;
  };
  const int usual = commits(false, {});
  EXPECT_GT(usual, 12);
  EXPECT_LT(commits(true, {}), 8);
  EXPECT_EQ(commits(true, std::chrono::milliseconds(100)), usual) << "an interval that is set stays";
}

TEST(AtLeastOnce, ACommitWhoseOutputsAreLostIsTakenBack) {
  TestService service(sums);
  service.context.options.processing_guarantee = ProcessingGuarantee::at_least_once;
  service.context.options.commit_interval = std::chrono::nanoseconds(1);
  service.produce_all(rows(1, 2));
  service.run();  // the first commit of a group is waited for
  service.produce_all(rows(2, 4));
  service.limits.until_end = false;
  service.limits.timeout = std::chrono::milliseconds(20);
  const std::shared_ptr<Log> log = service.context.log;
  service.context.log = std::make_shared<LogThatLosesOutputsOnce>(log);
  service.run();
  EXPECT_EQ(service.committed("in"), 3);
  service.context.log = log;
  EXPECT_EQ(service.values("out"), (Texts{with_sum(1, 1), with_sum(2, 3), with_sum(3, 6)}));
}

TEST(AtLeastOnce, GoesOnFromThePositionOfTheState) {
  TestService service(sums);
  service.context.options.processing_guarantee = ProcessingGuarantee::at_least_once;
  service.produce_all(rows(1, 4));
  const std::shared_ptr<Log> log = service.context.log;
  service.context.log = std::make_shared<LogWithoutOffsets>(log);
  service.run();
  EXPECT_EQ(service.committed("in"), -1);
  service.produce_all(rows(4, 5));
  service.context.log = log;
  EXPECT_EQ(service.run().rows_in, 1u);
  EXPECT_EQ(service.values("out").back(), with_sum(4, 10));
  // The same without the local state.
  service.context.log = std::make_shared<LogWithoutOffsets>(log);
  service.context.stores = memory_state_stores();
  service.produce_all(rows(5, 6));
  EXPECT_EQ(service.run().rows_in, 1u);
  EXPECT_EQ(service.values("out").back(), with_sum(5, 15));
}

TEST(UntilEnd, ComesThoughTheTopicHasForgottenRowsBehindTheState) {
  TestService service(sums);
  TopicConfig config;
  config.retention_bytes = 1;
  service.context.log->create_topic("in", config);
  service.produce_all(rows(1, 3));
  service.run();
  service.produce_all(rows(3, 20));  // only the last block is kept
  const auto [first, end] = service.context.log->offsets({"in", 0});
  EXPECT_EQ(first, end - 1);
  const std::string text = service.run_to_error(ErrorKind::broker);
  EXPECT_NE(text.find("topic in partition 0 no longer has offset 2"), std::string::npos) << text;
  service.context.options.on_lost_offset = OnLostOffset::earliest;
  EXPECT_EQ(service.run().rows_in, 1u);
  EXPECT_EQ(service.committed("in"), end);
}

TEST(Latest, RowsThatComeWhileNobodyIsThereAreTheGroups) {
  for (const char* plan : {stateless, sums}) {
    TestService service(plan);
    service.context.options.auto_offset_reset = AutoOffsetReset::latest;
    service.create_topic("in", 2);
    service.produce("in", "k", row(0), 1000, {}, 0);
    EXPECT_EQ(service.run().rows_in, 0u);
    EXPECT_EQ(service.committed("in", 0), 1);
    EXPECT_EQ(service.committed("in", 1), 0);
    service.produce("in", "k", row(1), 1000, {}, 0);
    service.produce("in", "k", row(2), 1000, {}, 1);
    EXPECT_EQ(service.run().rows_in, 2u);
  }
}

TEST(Stages, OfSeveralTopicsRunInOneApplication) {
  for (const int workers : {1, 2, 5}) {
    TestService service(R"(a = app.dataframe(app.topic("a"))
a["s"] = a["x"].rolling(10, min_periods=1).sum()
a.to_topic(app.topic("out-a"))
b = app.dataframe(app.topic("b"))
b["d"] = b["x"].diff()
b.to_topic(app.topic("out-b"))
c = app.dataframe(app.topic("a"))
c.to_topic(app.topic("out-c"))
)");
    service.context.options.workers = workers;
    service.create_topic("a", 2);
    for (int i = 0; i < 4; ++i) {
      for (const char* topic : {"a", "b"}) {
        service.produce(topic, "k", row(i));
        service.produce(topic, "l", row(i * 10));
      }
    }
    EXPECT_EQ(service.run().rows_in, 16u);
    EXPECT_EQ(service.by_key("out-a")["k"],
              (Texts{with_sum(0, 0), with_sum(1, 1), with_sum(2, 3), with_sum(3, 6)}));
    EXPECT_EQ(service.by_key("out-b")["l"], (Texts{R"({"x":0,"d":null})", R"({"x":10,"d":10})",
                                                   R"({"x":20,"d":10})", R"({"x":30,"d":10})"}));
    EXPECT_EQ(service.read("out-c").size(), 8u);
  }
}

TEST(Workers, MoreThanPartitionsAllEnd) {
  TestService service(sums);
  service.context.options.workers = 8;
  service.create_topic("in", 2);
  for (int i = 0; i < 20; ++i) service.produce("in", "key" + std::to_string(i % 5), row(1));
  EXPECT_EQ(service.run().rows_in, 20u);
  for (const auto& [key, values] : service.by_key("out")) {
    EXPECT_EQ(values, (Texts{with_sum(1, 1), with_sum(1, 2), with_sum(1, 3), with_sum(1, 4)})) << key;
  }
}

TEST(Workers, StopWhenOneOfThemFails) {
  TestService service(stateless);
  service.context.options.workers = 3;
  service.create_topic("in", 3);
  for (int i = 0; i < 3; ++i) service.produce("in", std::nullopt, row(i), 1000, {}, i);
  service.limits.until_end = false;
  std::atomic<int> polls = 0;
  service.context.log = std::make_shared<ObservedLog>(service.context.log, [&](std::string_view call) {
    if (call == "Consumer::poll" && ++polls == 5) throw Error(ErrorKind::broker, "gone");
  });
  EXPECT_EQ(service.run_to_error(ErrorKind::broker), "gone");
}

TEST(Stop, FromAnotherThreadEndsWithACheckpoint) {
  TestService service(sums);
  service.create_topic("out", 1);
  service.produce_all(rows(1, 4));
  service.limits.until_end = false;
  RunState state;
  std::thread stopper([&] {
    // Another group waits for the results.
    const auto consumer = service.context.log->consumer({.group = "watcher"});
    consumer->subscribe({"out"});
    for (std::size_t seen = 0; seen < 3;) {
      const PollResult result = consumer->poll(std::chrono::milliseconds(50));
      for (const TopicPartition& partition : result.assigned) consumer->start(partition, 0);
      for (const auto& records : result.records) seen += records->rows.size();
    }
    state.stop = true;
  });
  service.run(state);
  stopper.join();
  EXPECT_EQ(service.committed("in"), 3);
}

TEST(Late, RowsCountOnceHoweverManyStepsFindThemLate) {
  TestService service(R"(sdf = app.dataframe(app.topic("in", timestamp="t"))
sdf["a"] = sdf["x"].rolling("1s").sum()
sdf["b"] = sdf["x"].rolling("2s").sum()
sdf.to_topic(app.topic("out"))
)");
  service.produce_all({R"({"t":10000,"x":1})", R"({"t":8500,"x":2})", R"({"t":1000,"x":4})"});
  const Summary summary = service.run();
  EXPECT_EQ(summary.late, 2u);
  EXPECT_EQ(summary.rows_out, 3u);
  EXPECT_EQ(service.values("out"),
            (Texts{R"({"t":10000,"x":1,"a":1,"b":1})", R"({"t":8500,"x":2,"a":null,"b":2})",
                   R"({"t":1000,"x":4,"a":null,"b":null})"}));
  EXPECT_EQ(service.stages[0]->counters[1].late, 2u);
  EXPECT_EQ(service.stages[0]->counters[2].late, 1u);
}

TEST(Late, RowsAreDroppedOrRoutedWhereThatIsAskedFor) {
  TestService service(R"(sdf = app.dataframe(app.topic("in", timestamp="t"))
sdf["a"] = sdf["x"].rolling("1s", on_late="drop").sum()
sdf.to_topic(app.topic("dropped"))
other = app.dataframe(app.topic("in", timestamp="t"))
other["y"] = other["x"] + 1
other["a"] = other["x"].rolling("1s", on_late=app.topic("late"), name="routed").sum()
other.to_topic(app.topic("routed"))
)");
  service.produce_all({R"({"t":10000,"x":1})", R"({"t":1000,"x":2})"});
  const Summary summary = service.run();
  EXPECT_EQ(summary.late, 1u);
  EXPECT_EQ(service.values("dropped"), Texts{R"({"t":10000,"x":1,"a":1})"});
  EXPECT_EQ(service.values("routed"), Texts{R"({"t":10000,"x":1,"y":2,"a":1})"});
  EXPECT_EQ(service.values("late"), Texts{R"({"t":1000,"x":2,"y":3})"});
}

TEST(Cut, KeepsRowsBeforeTheEndAndNoMoreThanWanted) {
  auto records = std::make_shared<Records>();
  for (const std::int64_t offset : {3, 4, 9}) {
    Record record;
    record.offset = offset;
    records->rows.push_back(record);
  }
  records->next_offset = 12;
  EXPECT_EQ(cut(records, 12, SIZE_MAX), records);
  EXPECT_EQ(cut(records, 9, SIZE_MAX)->rows.size(), 2u);
  EXPECT_EQ(cut(records, 9, SIZE_MAX)->next_offset, 9);
  EXPECT_EQ(cut(records, 12, 1)->next_offset, 4);
  EXPECT_TRUE(cut(records, 0, 5)->rows.empty());
}

}  // namespace
}  // namespace tiderace
