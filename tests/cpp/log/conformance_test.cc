#include <gtest/gtest.h>

#include <functional>
#include <thread>

#include "log/embedded/embedded_log.h"
#include "log/memory/memory_log.h"
#include "temporary_directory.h"
#include "tiderace/error.h"

namespace tiderace {
namespace {

using namespace std::chrono_literals;

struct Subject {
  const char* name;
  std::function<std::unique_ptr<Log>(const std::string& directory)> open;
};

void PrintTo(const Subject& subject, std::ostream* out) {
  *out << subject.name;
}

/// What every log has to do, whatever it is made of.
class LogConformance : public testing::TestWithParam<Subject> {
 protected:
  TemporaryDirectory directory_;
  std::unique_ptr<Log> log_ = GetParam().open(directory_.path());

  void write(const std::string& topic, const std::vector<std::pair<std::string, std::string>>& pairs,
             std::int32_t partition = -1) {
    const auto producer = log_->producer();
    send(*producer, topic, pairs, partition);
    producer->flush();
  }
  static void send(Producer& producer, const std::string& topic,
                   const std::vector<std::pair<std::string, std::string>>& pairs,
                   std::int32_t partition = -1) {
    std::vector<ProducerRecord> records;
    for (const auto& [key, value] : pairs)
      records.push_back({.key = key, .value = value, .headers = {}, .timestamp_ms = 7});
    producer.send(topic, records, partition);
  }
  /// The values of a partition from `offset` on, joined by blanks.
  std::string values(const TopicPartition& partition, std::int64_t offset = 0) {
    std::string joined;
    for (;;) {
      const auto records = log_->read(partition, offset, 1 << 20);
      if (records->next_offset == offset) return joined;
      for (const Record& row : records->rows)
        joined.append(joined.empty() ? "" : " ").append(row.value_view());
      offset = records->next_offset;
    }
  }
  /// Waits for what the log does in the background, by asking.
  static void eventually(const std::function<bool()>& holds) {
    const auto deadline = std::chrono::steady_clock::now() + 20s;
    while (!holds()) {
      ASSERT_LT(std::chrono::steady_clock::now(), deadline);
      std::this_thread::yield();
    }
  }
  static std::string message_of(const std::function<void()>& call) {
    try {
      call();
    } catch (const Error& error) {
      return std::string(to_string(error.kind())) + ": " + error.what();
    }
    return "no error";
  }
};

TEST_P(LogConformance, CreatesATopicOnceAndKeepsItsSettings) {
  EXPECT_TRUE(log_->create_topic(
      "a", {.num_partitions = 3, .compacted = true, .retention_ms = 5, .max_message_bytes = 100}));
  EXPECT_FALSE(log_->create_topic("a", {.num_partitions = 9}));
  EXPECT_TRUE(log_->create_topic("b", {}));
  const auto a = log_->topic("a");
  ASSERT_TRUE(a);
  EXPECT_EQ(a->config.num_partitions, 3);
  EXPECT_TRUE(a->config.compacted);
  EXPECT_EQ(a->config.retention_ms, 5);
  EXPECT_EQ(a->config.retention_bytes, -1);
  EXPECT_EQ(a->config.max_message_bytes, 100);
  EXPECT_EQ(log_->topic("b")->config.max_message_bytes, 65 << 20);
  EXPECT_EQ(log_->topic("c"), std::nullopt);
  ASSERT_EQ(log_->topics().size(), 2u);
  EXPECT_EQ(log_->topics()[1].name, "b");
}

TEST_P(LogConformance, RefusesNamesAndSettingsThatKafkaWouldRefuse) {
  for (const std::string name : {"", ".", "..", "a b", "a/b", "ä"}) {
    EXPECT_THROW(log_->create_topic(name, {}), Error) << name;
  }
  EXPECT_THROW(log_->create_topic(std::string(250, 'a'), {}), Error);
  EXPECT_TRUE(log_->create_topic(std::string(249, 'a'), {}));
  EXPECT_THROW(log_->create_topic("t", {.num_partitions = 0}), Error);
  EXPECT_THROW(log_->create_topic("t", {.retention_ms = -2}), Error);
  EXPECT_THROW(log_->create_topic("t", {.max_message_bytes = -1}), Error);
}

TEST_P(LogConformance, RecordsComeBackWhole) {
  log_->create_topic("t", {});
  const std::string binary("\0\xff", 2);
  const ProducerRecord records[] = {
      {.key = binary, .value = "{}", .headers = "\x01\x01h\x00", .timestamp_ms = -5},
      {.key = std::nullopt, .value = "", .headers = {}, .timestamp_ms = 1'700'000'000'000},
      {.key = "", .value = std::nullopt, .headers = {}, .timestamp_ms = 0},
  };
  const auto producer = log_->producer();
  producer->send("t", records);
  producer->flush();
  const auto read = log_->read({"t", 0}, 0, 1000);
  ASSERT_EQ(read->rows.size(), 3u);
  EXPECT_EQ(read->topic, "t");
  EXPECT_EQ(read->partition, 0);
  EXPECT_EQ(read->next_offset, 3);
  EXPECT_EQ(read->rows[0].key_view(), binary);
  EXPECT_EQ(read->rows[0].headers_view(), std::string_view("\x01\x01h\x00", 4).substr(0, 3));
  EXPECT_EQ(read->rows[0].timestamp_ms, -5);
  EXPECT_EQ(read->rows[1].key, nullptr);
  EXPECT_NE(read->rows[1].value, nullptr);
  EXPECT_EQ(read->rows[1].timestamp_ms, 1'700'000'000'000);
  EXPECT_NE(read->rows[2].key, nullptr);
  EXPECT_EQ(read->rows[2].value, nullptr);
  EXPECT_EQ(read->rows[2].offset, 2);
}

TEST_P(LogConformance, ValuesOfAPaddedRunHaveReadableBytesBehindThem) {
  log_->create_topic("t", {});
  write("t", {{"k", std::string(1000, 'x')}, {"k", "last"}});
  const auto read = log_->read({"t", 0}, 0, 1000);
  ASSERT_TRUE(read->padded);
  unsigned sum = 0;
  for (const Record& row : read->rows) {
    for (std::size_t i = 0; i < record_padding; ++i)
      sum += static_cast<std::uint8_t>(row.value[row.value_size + i]);
  }
  EXPECT_GE(sum, 0u);  // reading them is the test, under the address sanitizer
}

TEST_P(LogConformance, NothingIsVisibleBeforeFlushOrAfterAbort) {
  log_->create_topic("t", {});
  const auto producer = log_->producer();
  send(*producer, "t", {{"k", "a"}});
  EXPECT_EQ(log_->offsets({"t", 0}), std::pair(std::int64_t{0}, std::int64_t{0}));
  EXPECT_TRUE(log_->read({"t", 0}, 0, 1000)->rows.empty());
  producer->abort();
  producer->flush();
  EXPECT_EQ(values({"t", 0}), "");
  send(*producer, "t", {{"k", "b"}});
  producer->flush();
  EXPECT_EQ(values({"t", 0}), "b");
  EXPECT_EQ(log_->offsets({"t", 0}), std::pair(std::int64_t{0}, std::int64_t{1}));
}

TEST_P(LogConformance, CommitMakesRecordsAndOffsetsVisibleTogether) {
  log_->create_topic("in", {.num_partitions = 2});
  log_->create_topic("out", {.num_partitions = 2});
  const auto producer = log_->producer();
  send(*producer, "out", {{"k", "a"}, {"k", "b"}}, 1);
  const OffsetCommit offsets[] = {{{"in", 0}, 10}, {{"in", 1}, 20}};
  const auto ends = producer->commit("g", offsets);
  EXPECT_EQ(ends, (std::map<TopicPartition, std::int64_t>{{{"out", 1}, 2}}));
  EXPECT_EQ(log_->group_offsets("g"),
            (std::map<TopicPartition, std::int64_t>{{{"in", 0}, 10}, {{"in", 1}, 20}}));
  EXPECT_EQ(log_->group_offsets("other"), (std::map<TopicPartition, std::int64_t>{}));
  producer->commit("g", std::vector<OffsetCommit>{{{"in", 1}, 25}});
  EXPECT_EQ(log_->group_offsets("g").at({"in", 1}), 25);
  producer->commit("f", std::vector<OffsetCommit>{{{"in", 1}, 1}});
  EXPECT_EQ(log_->groups(), (std::vector<std::string>{"f", "g"}));
}

TEST_P(LogConformance, AFailedCommitLeavesNothing) {
  log_->create_topic("out", {});
  const auto producer = log_->producer();
  send(*producer, "out", {{"k", "a"}});
  const std::string unknown = message_of([&] {
    producer->commit("g", std::vector<OffsetCommit>{{{"out", 0}, 1}, {{"nowhere", 0}, 10}});
  });
  EXPECT_NE(unknown.find("topic nowhere does not exist"), std::string::npos) << unknown;
  EXPECT_NE(message_of([&] {
              producer->commit("", std::vector<OffsetCommit>{{{"out", 0}, 1}});
            }),
            "no error");
  EXPECT_EQ(values({"out", 0}), "");
  EXPECT_TRUE(log_->group_offsets("g").empty());
  producer->abort();
  producer->flush();
  EXPECT_EQ(values({"out", 0}), "");
}

TEST_P(LogConformance, KeysChooseThePartitionAsInKafka) {
  log_->create_topic("t", {.num_partitions = 4});
  for (int i = 0; i < 40; ++i) write("t", {{"rider-" + std::to_string(i), std::to_string(i)}});
  for (std::int32_t p = 0; p < 4; ++p) {
    const auto read = log_->read({"t", p}, 0, 1 << 20);
    for (const Record& row : read->rows) EXPECT_EQ(partition_of(row.key_view(), 4), p);
  }
}

TEST_P(LogConformance, RunsWithoutKeysGoRoundThePartitions) {
  log_->create_topic("t", {.num_partitions = 3});
  const auto producer = log_->producer();
  const ProducerRecord run[] = {{.key = {}, .value = "a", .headers = {}},
                                {.key = {}, .value = "b", .headers = {}}};
  for (int i = 0; i < 6; ++i) producer->send("t", run);
  producer->flush();
  for (std::int32_t p = 0; p < 3; ++p) EXPECT_EQ(values({"t", p}), "a b a b");
}

TEST_P(LogConformance, RefusesWhatItCannotTakeAndTakesNothingOfIt) {
  log_->create_topic("t", {.num_partitions = 2, .max_message_bytes = 10});
  const auto producer = log_->producer();
  const std::string large = message_of([&] { send(*producer, "t", {{"k", "ok"}, {"key", "12345678"}}); });
  EXPECT_EQ(large.substr(0, 7), "config:");
  EXPECT_NE(large.find("max_message_bytes=10"), std::string::npos) << large;
  EXPECT_NE(message_of([&] {
              send(*producer, "t", {{"k", "v"}}, 2);
            }).find("2 partition"),
            std::string::npos);
  EXPECT_NE(message_of([&] {
              send(*producer, "none", {{"k", "v"}});
            }).find("does not exist"),
            std::string::npos);
  EXPECT_NE(message_of([&] { log_->read({"none", 0}, 0, 10); }).find("does not exist"), std::string::npos);
  EXPECT_NE(message_of([&] { log_->offsets({"t", -1}); }).find("partition -1"), std::string::npos);
  producer->flush();
  EXPECT_EQ(values({"t", 0}) + values({"t", 1}), "");
  send(*producer, "t", {{"key", "1234567"}});
  producer->flush();
}

TEST_P(LogConformance, LargeRecordsAndManyBlocksKeepTheirOrder) {
  log_->create_topic("t", {});
  const auto producer = log_->producer();
  for (int i = 0; i < 50; ++i)
    send(*producer, "t", {{std::to_string(i), std::string(100'000, static_cast<char>('a' + i % 26))}});
  send(*producer, "t", {{"five", std::string(5'000'000, 'z')}});
  producer->flush();
  std::int64_t offset = 0;
  int runs = 0;
  while (offset < 51) {
    const auto read = log_->read({"t", 0}, offset, 1 << 20);
    ASSERT_FALSE(read->rows.empty());
    for (const Record& row : read->rows) {
      ASSERT_EQ(row.offset, offset);
      const bool last = offset == 50;
      ASSERT_EQ(row.value_view(),
                std::string(last ? 5'000'000 : 100'000, last ? 'z' : static_cast<char>('a' + offset % 26)));
      ++offset;
    }
    ++runs;
  }
  EXPECT_GE(runs, 4) << "a read hands out about max_bytes";
  EXPECT_EQ(log_->read({"t", 0}, 20, 1)->rows.at(0).offset, 20);
  EXPECT_TRUE(log_->read({"t", 0}, 51, 1)->rows.empty());
  EXPECT_TRUE(log_->read({"t", 0}, 1000, 1)->rows.empty());
  EXPECT_EQ(log_->read({"t", 0}, -5, 1)->rows.at(0).offset, 0);
}

TEST_P(LogConformance, RetentionBySizeDropsWholeBlocksButNeverTheNewest) {
  log_->create_topic("t", {.retention_bytes = 3000});
  const auto producer = log_->producer();
  for (int i = 0; i < 20; ++i) {
    send(*producer, "t", {{"k", std::string(900, 'x')}});
    producer->flush();
  }
  ASSERT_NO_FATAL_FAILURE(eventually([&] { return log_->offsets({"t", 0}).first > 10; }));
  const auto [first, end] = log_->offsets({"t", 0});
  EXPECT_EQ(end, 20);
  EXPECT_LT(first, 20);
  EXPECT_EQ(log_->read({"t", 0}, 0, 1)->rows.at(0).offset, first);
}

TEST_P(LogConformance, ConsumersShareThePartitionsByNumber) {
  log_->create_topic("a", {.num_partitions = 3});
  const auto first = log_->consumer({.group = "g", .worker = 0, .workers = 2});
  const auto second = log_->consumer({.group = "g", .worker = 1, .workers = 2});
  first->subscribe({"a", "made"});
  second->subscribe({"a", "made"});
  EXPECT_EQ(log_->topic("made")->config.num_partitions, 1);
  EXPECT_EQ(first->poll(0ms).assigned, (std::vector<TopicPartition>{{"a", 0}, {"a", 2}, {"made", 0}}));
  EXPECT_EQ(second->poll(0ms).assigned, (std::vector<TopicPartition>{{"a", 1}}));
  EXPECT_TRUE(first->poll(0ms).assigned.empty());
  EXPECT_THROW(second->start({"a", 0}, 0), Error);
  EXPECT_THROW(log_->consumer({.group = ""}), Error);
  EXPECT_THROW(log_->consumer({.group = "g", .worker = 2, .workers = 2}), Error);
}

TEST_P(LogConformance, AConsumerReadsOnlyWhatWasStartedAndFromThere) {
  log_->create_topic("t", {.num_partitions = 2});
  write("t", {{"k", "a"}, {"k", "b"}, {"k", "c"}}, 0);
  write("t", {{"k", "x"}}, 1);
  const auto consumer = log_->consumer({.group = "g"});
  consumer->subscribe({"t"});
  EXPECT_EQ(consumer->poll(0ms).assigned.size(), 2u);
  EXPECT_TRUE(consumer->poll(0ms).records.empty());
  consumer->start({"t", 0}, 1);
  auto polled = consumer->poll(0ms);
  ASSERT_EQ(polled.records.size(), 1u);
  EXPECT_EQ(polled.records[0]->rows.at(0).value_view(), "b");
  EXPECT_EQ(polled.records[0]->next_offset, 3);
  EXPECT_TRUE(consumer->poll(0ms).records.empty());
  consumer->start({"t", 0}, 0);
  consumer->start({"t", 1}, 0);
  polled = consumer->poll(0ms);
  ASSERT_EQ(polled.records.size(), 2u);
  EXPECT_EQ(polled.records[0]->rows.size(), 3u);
  EXPECT_EQ(polled.records[1]->rows.at(0).value_view(), "x");
}

TEST_P(LogConformance, FindsTheFirstRecordThatIsNotOlder) {
  log_->create_topic("t", {});
  const TopicPartition partition{"t", 0};
  EXPECT_EQ(log_->offset_at(partition, 0), 0) << "the end of what is empty";
  const auto producer = log_->producer();
  const auto write_at = [&](std::vector<std::int64_t> times) {
    for (const std::int64_t ms : times) {
      const ProducerRecord record{.key = {}, .value = "x", .headers = {}, .timestamp_ms = ms};
      producer->send("t", std::span(&record, 1));
    }
    producer->flush();
  };
  write_at({10, 20, 30});
  write_at({15, 40});  // out of order
  write_at({50});
  EXPECT_EQ(log_->offset_at(partition, -5), 0);
  EXPECT_EQ(log_->offset_at(partition, 10), 0);
  EXPECT_EQ(log_->offset_at(partition, 11), 1);
  EXPECT_EQ(log_->offset_at(partition, 30), 2);
  EXPECT_EQ(log_->offset_at(partition, 31), 4);
  EXPECT_EQ(log_->offset_at(partition, 41), 5);
  EXPECT_EQ(log_->offset_at(partition, 51), 6) << "the end: there is none";
  EXPECT_NE(message_of([&] { log_->offset_at({"none", 0}, 1); }), "no error");
  EXPECT_NE(message_of([&] { log_->offset_at({"t", 1}, 1); }), "no error");
}

TEST_P(LogConformance, AGroupIsAtWorkWhileItHasConsumers) {
  EXPECT_EQ(log_->group_status("g").state, GroupState::empty);
  {
    const auto consumer = log_->consumer({.group = "g"});
    EXPECT_EQ(log_->group_status("g").state, GroupState::empty) << "it has not subscribed";
    consumer->subscribe({"t"});
    const GroupStatus status = log_->group_status("g");
    EXPECT_EQ(status.state, GroupState::stable);
    ASSERT_EQ(status.members.size(), 1u);
    EXPECT_NE(status.members[0].name, "");
    EXPECT_EQ(log_->group_status("another").state, GroupState::empty);
  }
  EXPECT_EQ(log_->group_status("g").state, GroupState::empty);
}

TEST_P(LogConformance, AConsumerHasHeardOfTheEndOfWhatItReads) {
  log_->create_topic("t", {});
  const TopicPartition partition{"t", 0};
  const auto consumer = log_->consumer({.group = "g"});
  consumer->subscribe({"t"});
  static_cast<void>(consumer->poll(1ms));
  EXPECT_EQ(consumer->heard_end_offset(partition), std::nullopt) << "it is not started";
  consumer->start(partition, 0);
  write("t", {{"k", "1"}, {"k", "2"}});
  while (consumer->poll(1ms).records.empty()) {
  }
  EXPECT_EQ(consumer->heard_end_offset(partition), 2);
}

TEST_P(LogConformance, AFollowerReadsOnWithoutAGroup) {
  log_->create_topic("t", {.num_partitions = 2});
  log_->create_topic("u", {});
  write("t", {{"k", "a"}, {"k", "b"}}, 0);
  write("t", {{"k", "c"}}, 1);
  const auto follower = log_->follower();
  EXPECT_EQ(follower->lag({"t", 0}), std::nullopt) << "it does not follow it";
  follower->follow({{{"t", 0}, 1}, {{"t", 1}, 0}});
  std::map<TopicPartition, std::string> found;
  const auto read = [&] {
    for (const auto& run : follower->poll(1ms)) {
      for (const Record& row : run->rows) found[{run->topic, run->partition}] += row.value_view();
    }
    return found;
  };
  using Found = std::map<TopicPartition, std::string>;
  eventually([&] { return read() == Found{{{"t", 0}, "b"}, {{"t", 1}, "c"}}; });
  EXPECT_EQ(follower->lag({"t", 0}), 0);
  EXPECT_TRUE(follower->poll(1ms).empty());
  write("t", {{"k", "d"}}, 0);
  eventually([&] { return read() == Found{{{"t", 0}, "bd"}, {{"t", 1}, "c"}}; });
  write("u", {{"k", "e"}});
  follower->follow({{{"u", 0}, 0}});
  write("t", {{"k", "f"}}, 0);
  eventually([&] { return read() == Found{{{"t", 0}, "bd"}, {{"t", 1}, "c"}, {{"u", 0}, "e"}}; });
  EXPECT_TRUE(log_->groups().empty());
  EXPECT_NE(message_of([&] { follower->follow({{{"nowhere", 0}, 0}}); }).find("nowhere"), std::string::npos);
}

TEST_P(LogConformance, AFollowerWakesForWhatComes) {
  log_->create_topic("t", {});
  const auto follower = log_->follower();
  follower->follow({{{"t", 0}, 0}});
  EXPECT_TRUE(follower->poll(0ms).empty());
  std::thread writer([this] { write("t", {{"k", "a"}}); });
  EXPECT_EQ(follower->poll(60s).size(), 1u);
  writer.join();
}

TEST_P(LogConformance, StartsAtTheCommittedOffsetOrWhereTheResetPoints) {
  log_->create_topic("t", {});
  write("t", {{"k", "a"}, {"k", "b"}, {"k", "c"}});
  const auto earliest = log_->consumer({.group = "g"});
  const auto latest = log_->consumer({.group = "g", .auto_offset_reset = OffsetReset::latest});
  EXPECT_EQ(earliest->start_offset({"t", 0}).offset, 0);
  EXPECT_EQ(latest->start_offset({"t", 0}).offset, 3);
  log_->producer()->commit("g", std::vector<OffsetCommit>{{{"t", 0}, 2}});
  EXPECT_EQ(earliest->start_offset({"t", 0}).offset, 2);
  EXPECT_EQ(latest->start_offset({"t", 0}).offset, 2);
  EXPECT_EQ(latest->start_offset({"t", 0}, 1).offset, 1);  // state knows better
}

TEST_P(LogConformance, AnOffsetThatIsGoneIsAnErrorWithAChoice) {
  log_->create_topic("t", {});
  write("t", {{"k", "a"}, {"k", "b"}, {"k", "c"}});
  log_->producer()->commit("g", std::vector<OffsetCommit>{{{"t", 0}, 99}});
  try {
    static_cast<void>(log_->consumer({.group = "g"})->start_offset({"t", 0}));
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::broker);
    const std::string text = error.what();
    EXPECT_NE(
        text.find("group g: topic t partition 0 no longer has offset 99, which comes next (it holds 0 to 3)"),
        std::string::npos)
        << text;
    EXPECT_NE(text.find("Set on_lost_offset"), std::string::npos) << text;
  }
  const auto start = [this](OnLostOffset choice) {
    return log_->consumer({.group = "g", .on_lost_offset = choice})->start_offset({"t", 0});
  };
  EXPECT_EQ(start(OnLostOffset::earliest).offset, 0);
  EXPECT_EQ(start(OnLostOffset::latest).offset, 3);
  EXPECT_TRUE(start(OnLostOffset::latest).committed);
}

TEST_P(LogConformance, AWaitingConsumerWakesForACommit) {
  log_->create_topic("t", {});
  const auto consumer = log_->consumer({.group = "g"});
  consumer->subscribe({"t"});
  static_cast<void>(consumer->poll(0ms));
  consumer->start({"t", 0}, 0);
  for (int i = 0; i < 20; ++i) {
    std::chrono::steady_clock::time_point committed;
    std::thread writer([&] {
      write("t", {{"k", std::to_string(i)}});
      committed = std::chrono::steady_clock::now();
    });
    const auto polled = consumer->poll(10s);
    const auto woken = std::chrono::steady_clock::now();
    writer.join();
    ASSERT_EQ(polled.records.size(), 1u);
    EXPECT_LT(woken - committed, 500ms) << "far below the time-out; how far is measured by the benchmark";
  }
}

TEST_P(LogConformance, AnEmptyPollReturnsAfterItsTimeout) {
  log_->create_topic("t", {});
  const auto consumer = log_->consumer({.group = "g"});
  consumer->subscribe({"t"});
  static_cast<void>(consumer->poll(0ms));
  consumer->start({"t", 0}, 0);
  const auto before = std::chrono::steady_clock::now();
  EXPECT_TRUE(consumer->poll(20ms).records.empty());
  EXPECT_GE(std::chrono::steady_clock::now() - before, 20ms);
}

TEST_P(LogConformance, ProducersOfManyThreadsLoseAndMixNothing) {
  log_->create_topic("t", {.num_partitions = 2});
  constexpr int threads = 4;
  constexpr int commits = 50;
  std::vector<std::thread> writers;
  for (int t = 0; t < threads; ++t) {
    writers.emplace_back([&, t] {
      const auto producer = log_->producer();
      for (int i = 0; i < commits; ++i) {
        const std::string key = std::to_string(t);
        send(*producer, "t", {{key, std::to_string(2 * i)}, {key, std::to_string(2 * i + 1)}}, t % 2);
        producer->commit("g" + key, std::vector<OffsetCommit>{{{"t", t % 2}, i + 1}});
      }
    });
  }
  const auto consumer = log_->consumer({.group = "reader"});
  consumer->subscribe({"t"});
  for (const auto& partition : consumer->poll(0ms).assigned) consumer->start(partition, 0);
  std::map<std::string, int> next;
  std::map<std::int32_t, std::int64_t> next_offset;
  for (int left = threads * commits * 2; left > 0;) {
    for (const auto& run : consumer->poll(10s).records) {
      for (const Record& row : run->rows) {
        EXPECT_EQ(row.offset, next_offset[run->partition]++);
        EXPECT_EQ(row.value_view(), std::to_string(next[std::string(row.key_view())]++));
        --left;
      }
    }
  }
  for (auto& writer : writers) writer.join();
  for (int t = 0; t < threads; ++t)
    EXPECT_EQ(log_->group_offsets("g" + std::to_string(t)).begin()->second, commits);
}

INSTANTIATE_TEST_SUITE_P(All, LogConformance,
                         testing::Values(Subject{"memory", [](const std::string&) { return memory_log(); }},
                                         Subject{"embedded",
                                                 [](const std::string& directory) {
                                                   return embedded_log(directory,
                                                                       {.maintenance_interval = 10ms});
                                                 }}),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace tiderace
