// Whole runs on a broker: what goes wrong in the middle, and partitions that come later.

#include <gtest/gtest.h>

#include <future>
#include <thread>

#include "kafka/broker.h"
#include "kafka/transaction.h"
#include "log/kafka/client.h"
#include "runtime/observed.h"
#include "runtime/test_service.h"

namespace tiderace {
namespace {

using kafka::Owned;

class KafkaRunTest : public KafkaTest {
 protected:
  KafkaRunTest() {
    KafkaOptions options;
    // Not below a second: librdkafka joins at most once a second, and with nothing older than this.
    options.consumer_config["topic.metadata.refresh.interval.ms"] = "2000";
    log_ = kafka_log(broker_address(), options, clock_);
  }

  /// Sums by key, or `x + 1`, over topics of this test's own.
  [[nodiscard]] TestService service(bool stateful) {
    const std::string step = stateful ? "sdf[\"s\"] = sdf[\"x\"].rolling(100, min_periods=1).sum()"
                                      : "sdf[\"s\"] = sdf[\"x\"] + 1";
    TestService made("sdf = app.dataframe(app.topic(\"" + topic("in") + "\"))\n" + step +
                     "\nsdf.to_topic(app.topic(\"" + topic("out") + "\"))\n");
    made.context.options.consumer_group = group();
    made.context.log = log_;
    made.context.restore_threads = 2;
    return made;
  }

  void add_partition(int count) {
    const auto handle = kafka::Client(
        RD_KAFKA_PRODUCER, kafka::Connection{.address = broker_address(), .options = {}}.config({}, {}));
    const Owned<rd_kafka_queue_t, rd_kafka_queue_destroy> queue(rd_kafka_queue_new(handle.get()));
    char text[256];
    const Owned<rd_kafka_NewPartitions_t, rd_kafka_NewPartitions_destroy> wanted(
        rd_kafka_NewPartitions_new(topic("in").c_str(), static_cast<std::size_t>(count), text, sizeof text));
    rd_kafka_NewPartitions_t* all[] = {wanted.get()};
    rd_kafka_CreatePartitions(handle.get(), all, 1, nullptr, queue.get());
    const Owned<rd_kafka_event_t, rd_kafka_event_destroy> event(rd_kafka_queue_poll(queue.get(), 10'000));
    ASSERT_NE(event, nullptr);
    ASSERT_EQ(rd_kafka_event_error(event.get()), RD_KAFKA_RESP_ERR_NO_ERROR);
  }
};

std::string with_sum(int x, int sum) {
  return "{\"x\":" + std::to_string(x) + ",\"s\":" + std::to_string(sum) + "}";
}

/// Where it fails the first time, and how: the brokers are away, or the commit is lost.
struct Fault {
  const char* call;
  bool away;
};

class KafkaFaultTest : public KafkaRunTest, public testing::WithParamInterface<Fault> {};

TEST_P(KafkaFaultTest, NothingIsLostAndNothingDoubled) {
  TestService service = this->service(true);
  std::vector<std::string> wanted;
  for (int i = 0, sum = 0; i < 20; ++i) {
    service.produce(topic("in"), "k", "{\"x\":" + std::to_string(i) + "}");
    sum += i;
    wanted.push_back(with_sum(i, sum));
  }
  int left = 2;
  std::mutex mutex;
  service.context.log = std::make_shared<ObservedLog>(log_, [&](std::string_view call) {
    const std::lock_guard lock(mutex);
    if (call != GetParam().call || left == 0) return;
    --left;
    const Error error(ErrorKind::broker, "it fails");
    if (GetParam().away) throw BrokerAway(error);
    throw CommitLost(error);
  });
  EXPECT_EQ(service.run().rows_out, 20u);
  EXPECT_EQ(left, 0);
  service.context.log = log_;
  service.produce(topic("in"), "k", "{\"x\":1000}");  // what was left behind goes on from there
  service.context.stores = memory_state_stores();
  service.run();
  wanted.push_back(with_sum(1000, 1190));
  EXPECT_EQ(service.values(topic("out")), wanted);
}

INSTANTIATE_TEST_SUITE_P(Calls, KafkaFaultTest,
                         testing::Values(Fault{"Consumer::poll", true}, Fault{"Consumer::start_offset", true},
                                         Fault{"Log::take_over", true}, Fault{"Log::decided_offsets", true},
                                         Fault{"Producer::claim", false}, Fault{"Producer::send", false},
                                         Fault{"Producer::send_state", false},
                                         Fault{"Producer::commit", false}, Fault{"Producer::commit", true}),
                         [](const auto& info) {
                           std::string name = info.param.call;
                           std::erase(name, ':');
                           return name + (info.param.away ? "Away" : "Lost");
                         });

/// Aborted changes take offsets, and a broker that is slow to take them makes it a matter of time whether
/// they do: a store may have read them and nothing else, when what comes next fails too.
TEST_F(KafkaRunTest, StateThatHasReadNothingButWhatWasAbortedGoesOn) {
  TestService service = this->service(true);
  service.produce(topic("in"), "k", R"({"x":1})");
  const std::string changelog = changelog_topic(group(), topic("in"));
  log_->create_topic(changelog, {.compacted = true});
  const auto write_and_abort = [&] { Transaction(topic("aborts"), {changelog, 0}, "").abort(); };
  write_and_abort();
  int left = 2;
  service.context.log = std::make_shared<ObservedLog>(log_, [&](std::string_view call) {
    if (call != "Producer::commit" || left == 0) return;
    --left;
    write_and_abort();
    throw CommitLost(Error(ErrorKind::broker, "it fails"));
  });
  EXPECT_EQ(service.run().rows_out, 1u);
  EXPECT_EQ(left, 0);
  EXPECT_GT(log_->offsets({changelog, 0}).second, 6);
  service.produce(topic("in"), "k", R"({"x":2})");
  service.run();  // opens it again, behind what was aborted
  EXPECT_EQ(service.values(topic("out")), (std::vector{with_sum(1, 1), with_sum(2, 3)}));
}

TEST_F(KafkaRunTest, TheEndIsThatOfWhatIsWrittenAndUndecidedWhenARunBegins) {
  for (const bool committed : {true, false}) {
    const std::string id = committed ? "commits" : "aborts";
    TestService service = this->service(false);
    service.produce(topic("in"), "k", R"({"x":1})");
    Transaction open(topic(id), {topic("in"), 0}, R"({"x":2})");
    auto run = std::async(std::launch::async, [&] { return service.run().rows_in; });
    // What is committed does not wait for what is not, but the run does.
    eventually([&] { return service.committed(topic("in"), 0) == (committed ? 1 : 4); });
    EXPECT_EQ(run.wait_for(std::chrono::seconds(0)), std::future_status::timeout);
    if (committed)
      open.commit();
    else
      open.abort();
    EXPECT_EQ(run.get(), committed ? 2u : 1u);
  }
}

TEST_F(KafkaRunTest, WhatComesOfTheLastRowsDoesNotLinger) {
  TestService service = this->service(false);
  service.context.options.processing_guarantee = ProcessingGuarantee::at_least_once;
  KafkaOptions options;
  options.linger = std::chrono::minutes(5);
  service.context.log = kafka_log(broker_address(), options, clock_);
  service.limits.until_end = false;
  log_->create_topic(topic("in"), {});
  write(topic("in"), 0, {R"({"x":1})"});
  RunState state;
  std::thread run([&] { service.run(state); });
  const auto end = [&] { return log_->topic(topic("out")) ? log_->offsets({topic("out"), 0}).second : 0; };
  eventually([&] { return end() == 1; });
  write(topic("in"), 0, {R"({"x":2})"});
  eventually([&] { return end() == 2; });
  state.stop = true;
  run.join();
}

TEST_F(KafkaRunTest, OffsetsOfAPartitionThatIsNewAreToldByALogThatKnewFewer) {
  const auto log = kafka_log(broker_address(), {});  // which asks seldom how many there are
  log->create_topic(topic("in"), {});
  EXPECT_EQ(log->offsets({topic("in"), 0}), (std::pair<std::int64_t, std::int64_t>(0, 0)));
  EXPECT_THROW(static_cast<void>(log->offsets({topic("in"), 1})), Error);
  add_partition(2);
  EXPECT_EQ(log->offsets({topic("in"), 1}), (std::pair<std::int64_t, std::int64_t>(0, 0)));
}

TEST_F(KafkaRunTest, OffsetsOfAPartitionAreAwaitedWhileBrokersHaveNotHeardOfIt) {
  const auto log = kafka_log(broker_address(), {});
  log->create_topic(topic("in"), {});
  EXPECT_EQ(log->offsets({topic("in"), 0}), (std::pair<std::int64_t, std::int64_t>(0, 0)));
  auto offsets = std::async(std::launch::async, [&] { return log->offsets({topic("in"), 1}); });
  add_partition(2);
  EXPECT_EQ(offsets.get(), (std::pair<std::int64_t, std::int64_t>(0, 0)));
}

TEST_F(KafkaRunTest, APartitionThatIsAddedIsReadByAPlanWithoutState) {
  TestService service = this->service(false);
  service.limits.until_end = false;
  service.produce(topic("in"), "k", R"({"x":1})");
  RunState state;
  std::thread run([&] { service.run(state); });
  eventually([&] { return service.values(topic("out")).size() == 1; });
  add_partition(2);
  eventually([&] {
    try {
      write(topic("in"), 1, {R"({"x":2})"});
      return true;
    } catch (const Error&) {
      clock_.move(std::chrono::minutes(1));  // the topic is asked for anew
      return false;
    }
  });
  eventually([&] { return service.values(topic("out")).size() == 2; });
  state.stop = true;
  run.join();
  EXPECT_EQ(service.values(topic("out")), (std::vector<std::string>{with_sum(1, 2), with_sum(2, 3)}));
}

TEST_F(KafkaRunTest, APartitionThatIsAddedStopsAPlanWithStateBeforeItsFirstRow) {
  TestService service = this->service(true);
  service.limits.until_end = false;
  service.produce(topic("in"), "k", R"({"x":1})");
  std::string error;
  std::thread run([&] { error = service.run_to_error(ErrorKind::config); });
  eventually([&] { return service.values(topic("out")).size() == 1; });
  add_partition(2);
  run.join();
  EXPECT_NE(error.find("has a partition 1, its changelog"), std::string::npos) << error;
  EXPECT_NE(error.find("keys have moved, their state has not"), std::string::npos) << error;
  EXPECT_EQ(service.committed(topic("in"), 0), 1);
  EXPECT_EQ(service.committed(topic("in"), 1), -1);
}

}  // namespace
}  // namespace tiderace
