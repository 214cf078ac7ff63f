// The log over Kafka itself: what its callers rely on, asked of a real broker.

#include <gtest/gtest.h>

#include <algorithm>
#include <future>
#include <map>
#include <set>
#include <thread>

#include "kafka/broker.h"
#include "kafka/transaction.h"
#include "log/log.h"
#include "runtime/standby/placement.h"
#include "tiderace/error.h"

namespace tiderace {
namespace {

using KafkaLogTest = KafkaTest;
using KafkaGroupTest = KafkaTest;

TEST_F(KafkaLogTest, RecordsComeBackWhole) {
  ASSERT_TRUE(log_->create_topic(topic("t"), {}));
  EXPECT_FALSE(log_->create_topic(topic("t"), {.num_partitions = 9}));
  const std::string binary("\0\xff", 2);
  std::string headers;
  pack_headers({{"h", "1"}, {"none", std::nullopt}}, headers);
  const ProducerRecord records[] = {
      {.key = binary, .value = "{}", .headers = headers, .timestamp_ms = 5},
      {.key = std::nullopt, .value = "", .headers = {}, .timestamp_ms = 1'700'000'000'000},
      {.key = "", .value = std::nullopt, .headers = {}, .timestamp_ms = 0},
  };
  const auto producer = log_->producer();
  producer->send(topic("t"), records);
  const auto ends = producer->commit("", {});
  EXPECT_EQ(ends, (std::map<TopicPartition, std::int64_t>{{{topic("t"), 0}, 3}}));
  const auto read = log_->read({topic("t"), 0}, 0, 1000);
  ASSERT_EQ(read->rows.size(), 3u);
  EXPECT_TRUE(read->padded);
  EXPECT_EQ(read->next_offset, 3);
  EXPECT_EQ(read->rows[0].key_view(), binary);
  EXPECT_EQ(read->rows[0].headers_view(), headers);
  EXPECT_EQ(read->rows[0].timestamp_ms, 5);
  EXPECT_EQ(read->rows[1].key, nullptr);
  EXPECT_NE(read->rows[1].value, nullptr);
  EXPECT_EQ(read->rows[1].timestamp_ms, 1'700'000'000'000);
  EXPECT_NE(read->rows[2].key, nullptr);
  EXPECT_EQ(read->rows[2].value, nullptr);
  EXPECT_EQ(read->rows[2].offset, 2);
}

TEST_F(KafkaLogTest, SettingsOfTopicsAreKafkas) {
  log_->create_topic(topic("t"),
                     {.num_partitions = 3, .compacted = true, .retention_ms = 5, .max_message_bytes = 100});
  const auto info = log_->topic(topic("t"));
  ASSERT_TRUE(info);
  EXPECT_EQ(info->config.num_partitions, 3);
  EXPECT_TRUE(info->config.compacted);
  EXPECT_EQ(info->config.retention_ms, 5);
  EXPECT_EQ(info->config.max_message_bytes, 100);
  EXPECT_EQ(log_->topic(topic("none")), std::nullopt);
  EXPECT_THROW(log_->create_topic("a b", {}), Error);
}

TEST_F(KafkaLogTest, KeysChooseThePartitionAndRunsWithoutKeysGoRound) {
  log_->create_topic(topic("t"), {.num_partitions = 4});
  const auto producer = log_->producer();
  for (int i = 0; i < 40; ++i) {
    const std::string key = "rider-" + std::to_string(i);
    const ProducerRecord record[] = {{.key = key, .value = "v", .headers = {}, .timestamp_ms = 1}};
    producer->send(topic("t"), record);
    const ProducerRecord keyless[] = {{.key = std::nullopt, .value = "-", .headers = {}, .timestamp_ms = 1}};
    producer->send(topic("t"), keyless);
  }
  producer->commit("", {});
  for (std::int32_t p = 0; p < 4; ++p) {
    const auto read = log_->read({topic("t"), p}, 0, 1 << 20);
    int keyless = 0;
    for (const Record& row : read->rows) {
      if (row.key == nullptr)
        ++keyless;
      else
        EXPECT_EQ(partition_of(row.key_view(), 4), p);
    }
    EXPECT_EQ(keyless, 10);
  }
}

TEST_F(KafkaLogTest, AReaderGoesPastTheMarksOfTransactions) {
  log_->create_topic(topic("in"), {});
  log_->create_topic(topic("out"), {});
  Member member(*log_, group(), {topic("in")});
  eventually([&] {
    member.poll();
    return !member.owned.empty();
  });
  claim(member);
  for (const std::string value : {"a", "b"}) {
    const ProducerRecord record[] = {{.key = "k", .value = value, .headers = {}, .timestamp_ms = 1}};
    member.producer->send(topic("out"), record);
    member.producer->commit(group(), std::vector<OffsetCommit>{{{topic("in"), 0}, 0}});
  }
  const auto [first, end] = log_->decided_offsets({topic("out"), 0});
  EXPECT_EQ(std::pair(first, end), std::pair(std::int64_t{0}, std::int64_t{4}));
  EXPECT_EQ(values({topic("out"), 0}), "a b");
  EXPECT_EQ(log_->read({topic("out"), 0}, 3, 100)->next_offset, 4);
}

TEST_F(KafkaLogTest, AnEndIsDecidedThoughOthersGoOnWriting) {
  log_->create_topic(topic("t"), {});
  const TopicPartition partition{topic("t"), 0};
  auto open = std::make_unique<Transaction>(topic("0"), partition, "v");
  auto decided = std::async(std::launch::async, [&] { return log_->decided_offsets(partition); });
  // From now on, one is always open.
  for (int i = 1; decided.wait_for(std::chrono::seconds(0)) != std::future_status::ready; ++i) {
    ASSERT_LT(i, 1000);
    auto next = std::make_unique<Transaction>(topic(std::to_string(i % 2)), partition, "v");
    open->commit();
    open = std::move(next);
  }
  EXPECT_GE(decided.get().second, 1);
  open->commit();
}

TEST_F(KafkaGroupTest, StartsAtTheCommittedOffsetOrWhereTheResetPoints) {
  log_->create_topic(topic("in"), {});
  write(topic("in"), 0, {"a", "b", "c"});
  const TopicPartition partition{topic("in"), 0};
  {
    Member member(*log_, group(), {topic("in")}, false);
    eventually([&] {
      member.poll();
      return !member.owned.empty();
    });
    const StartOffset start = member.consumer->start_offset(partition);
    EXPECT_EQ(start.offset, 0);
    EXPECT_FALSE(start.committed);
    member.producer->commit(group(), std::vector<OffsetCommit>{{partition, 1}});
  }
  Member member(*log_, group(), {topic("in")}, false);
  eventually([&] {
    member.poll();
    return !member.owned.empty();
  });
  EXPECT_EQ(member.consumer->start_offset(partition).offset, 1);
  EXPECT_EQ(member.consumer->start_offset(partition, 2).offset, 2);  // what state knows
  member.consumer->start(partition, 1);
  eventually([&] {
    member.poll();
    return member.read.size() == 4;
  });
  EXPECT_EQ(member.read, "b c ");
  member.consumer->start(partition, 0);  // back
  eventually([&] {
    member.poll();
    return member.read.size() == 10;
  });
  EXPECT_EQ(member.read, "b c a b c ");
}

TEST_F(KafkaGroupTest, APollSaysWhetherMoreRowsWaitThanItHasBrought) {
  log_->create_topic(topic("in"), {});
  write(topic("in"), 0, {"a", "b", "c", "d"});
  const auto consumer = log_->consumer({.group = group(), .max_poll_bytes = 1});
  consumer->subscribe({topic("in")});
  std::string read;
  std::vector<bool> behind;
  eventually([&] {
    const PollResult result = consumer->poll(std::chrono::milliseconds(1));
    for (const TopicPartition& partition : result.assigned) consumer->start(partition, 0);
    for (const auto& records : result.records) read += records->rows.front().value_view();
    if (!result.records.empty()) behind.push_back(result.behind);
    return read.size() == 4;
  });
  EXPECT_EQ(read, "abcd");
  EXPECT_EQ(behind, (std::vector{true, true, false, false}));
}

TEST_F(KafkaGroupTest, PartitionsThatDoNotMoveAreNotTakenAway) {
  log_->create_topic(topic("in"), {.num_partitions = 4});
  Member first(*log_, group(), {topic("in")});
  eventually([&] {
    first.poll();
    return first.owned.size() == 4;
  });
  Member second(*log_, group(), {topic("in")});
  eventually([&] {
    first.poll();
    second.poll();
    return second.owned.size() == 2 && first.owned.size() == 2;
  });
  std::sort(first.taken_away.begin(), first.taken_away.end());
  std::sort(second.owned.begin(), second.owned.end());
  EXPECT_EQ(first.taken_away, second.owned);
}

TEST_F(KafkaGroupTest, RowsComeWithoutAGapWhileMembersComeAndGo) {
  constexpr std::int32_t partitions = 4;
  log_->create_topic(topic("in"), {.num_partitions = partitions});
  std::jthread writer([&](const std::stop_token& stop) {
    const auto producer = log_->producer();
    const std::vector<ProducerRecord> records(500,
                                              {.key = "k", .value = "1", .headers = {}, .timestamp_ms = 7});
    while (!stop.stop_requested()) {
      for (std::int32_t p = 0; p < partitions; ++p) producer->send(topic("in"), records, p);
      producer->commit("", {});
    }
  });
  ConsumerOptions options;
  options.group = group();
  const auto consumer = log_->consumer(options);
  consumer->subscribe({topic("in")});
  std::set<TopicPartition> owned;
  std::map<TopicPartition, std::int64_t> next;
  std::vector<std::string> gaps;
  const auto poll = [&] {
    const PollResult result = consumer->poll(std::chrono::milliseconds(1));
    for (const TopicPartition& partition : result.revoked) owned.erase(partition);
    for (const auto& records : result.records) {
      std::int64_t& wanted = next[{records->topic, records->partition}];
      for (const Record& row : records->rows) {
        if (row.offset != wanted)
          gaps.push_back(std::to_string(wanted) + " to " + std::to_string(row.offset));
        wanted = row.offset + 1;
      }
    }
    for (const TopicPartition& partition : result.assigned) {
      owned.insert(partition);
      consumer->start(partition, next[partition]);
    }
  };
  for (int round = 0; round < 8; ++round) {
    eventually([&] {
      poll();
      return owned.size() == partitions;
    });
    Member other(*log_, group(), {topic("in")});
    eventually([&] {
      poll();
      other.poll();
      return other.owned.size() == partitions / 2;
    });
  }
  EXPECT_EQ(gaps, std::vector<std::string>());
  EXPECT_EQ(next.size(), static_cast<std::size_t>(partitions));
}

TEST_F(KafkaGroupTest, CopiesOfStateAreWhereTheGroupGivesThePartitionsOfADeadMember) {
  log_->create_topic(topic("in"), {.num_partitions = 9});
  std::vector<std::unique_ptr<Log>> logs;
  std::vector<std::unique_ptr<Member>> members;
  const auto poll_until = [&](const std::function<bool()>& holds) {
    eventually([&] {
      for (const auto& member : members) member->poll();
      return holds();
    });
  };
  for (int i = 0; i < 3; ++i) {
    logs.push_back(kafka_log(broker_address(), {}));
    members.push_back(std::make_unique<Member>(*logs.back(), group(), std::vector{topic("in")}));
  }
  poll_until([&] {
    return std::all_of(members.begin(), members.end(),
                       [](const auto& member) { return member->owned.size() == 3; });
  });
  GroupStatus status;
  poll_until([&] {
    status = log_->group_status(group());
    return status.state == GroupState::stable;
  });
  const std::vector<TopicPartition> moving = members.back()->owned;
  members.pop_back();
  poll_until([&] { return members[0]->owned.size() + members[1]->owned.size() == 9; });
  for (int i = 0; i < 2; ++i) {
    const auto copies = standby_partitions(logs[static_cast<std::size_t>(i)]->process(), status.members, 1);
    for (const TopicPartition& partition : moving) {
      const auto& owned = members[static_cast<std::size_t>(i)]->owned;
      EXPECT_EQ(copies.contains(partition), std::find(owned.begin(), owned.end(), partition) != owned.end())
          << "member " << i << " partition " << partition.partition;
    }
  }
}

TEST_F(KafkaGroupTest, AGroupIsSettledOnceNothingCanComeToThisMember) {
  log_->create_topic(topic("in"), {.num_partitions = 2});
  write(topic("in"), 0, {"a"});
  write(topic("in"), 1, {"b"});
  Member first(*log_, group(), {topic("in")});
  Member second(*log_, group(), {topic("in")});
  EXPECT_FALSE(first.consumer->settled());
  eventually([&] {
    first.poll();
    second.poll();
    return second.owned.size() == 1 && first.owned.size() == 1;
  });
  claim(second);
  EXPECT_FALSE(first.consumer->settled());
  second.producer->commit(group(), std::vector<OffsetCommit>{{second.owned[0], 1}});
  eventually([&] { return first.consumer->settled(); });
  // One that holds its partition for longer than a session is alive, and goes on by itself.
  EXPECT_FALSE(second.consumer->settled());
  clock_.move(std::chrono::hours(1));
  EXPECT_TRUE(second.consumer->settled());
}

TEST_F(KafkaGroupTest, WhoeverTakesAPartitionOverEndsWhatItsOwnerHasLeftOpen) {
  log_->create_topic(topic("in"), {});
  log_->create_topic(topic("out"), {});
  const TopicPartition in{topic("in"), 0};
  const TopicPartition out{topic("out"), 0};
  Member first(*log_, group(), {topic("in")}, true, "static");
  eventually([&] {
    first.poll();
    return !first.owned.empty();
  });
  claim(first);
  const ProducerRecord record[] = {{.key = "k", .value = "never", .headers = {}, .timestamp_ms = 1}};
  first.producer->send(topic("out"), record);
  eventually([&] {
    first.producer->flush();
    return log_->offsets(out).second == 0;
  });

  // The group lets go of the first, which does not hear of it; its transaction stays open.
  Member second(*log_, group(), {topic("in")}, true, "static");
  eventually([&] {
    second.poll();
    return !second.owned.empty();
  });
  claim(second);
  const ProducerRecord other[] = {{.key = "k", .value = "once", .headers = {}, .timestamp_ms = 1}};
  second.producer->send(topic("out"), other);
  second.producer->commit(group(), std::vector<OffsetCommit>{{in, 1}});
  EXPECT_EQ(values(out), "once");
  // The zombie wakes.
  EXPECT_THROW(
      {
        first.producer->send(topic("out"), record);
        first.producer->commit(group(), {});
      },
      CommitLost);
  EXPECT_EQ(log_->group_offsets(group()).at(in), 1);
  EXPECT_EQ(values(out), "once");
}

TEST_F(KafkaGroupTest, WhatIsAbortedIsNeverSeenAndTheProducerGoesOn) {
  log_->create_topic(topic("in"), {});
  log_->create_topic(topic("out"), {});
  Member member(*log_, group(), {topic("in")});
  eventually([&] {
    member.poll();
    return !member.owned.empty();
  });
  claim(member);
  const auto send = [&](const std::string& value) {
    const ProducerRecord record[] = {{.key = "k", .value = value, .headers = {}, .timestamp_ms = 1}};
    member.producer->send(topic("out"), record);
  };
  send("never");
  member.producer->abort();
  send("once");
  member.producer->commit(group(), std::vector<OffsetCommit>{{{topic("in"), 0}, 1}});
  EXPECT_EQ(values({topic("out"), 0}), "once");
}

/// How often `poll` writes `what` to standard error once so much time has passed.
std::size_t said_after(MovedClock& clock, std::chrono::seconds time, const std::function<void()>& poll,
                       const std::string& what) {
  testing::internal::CaptureStderr();
  clock.move(time);
  poll();
  const std::string said = testing::internal::GetCapturedStderr();
  std::size_t count = 0;
  for (std::size_t at = said.find(what); at != std::string::npos; at = said.find(what, at + 1)) ++count;
  return count;
}

TEST_F(KafkaGroupTest, WhoWaitsForATransactionThatNobodyDecidesSaysSo) {
  const TopicPartition partition{topic("in"), 0};
  log_->create_topic(partition.topic, {});
  write(partition.topic, 0, {"a"});
  Transaction open(topic("id"), partition, "b");
  Member member(*log_, group(), {partition.topic}, false);
  const auto poll = [&] { member.poll(); };
  eventually([&] {
    poll();
    return !member.owned.empty();
  });
  member.consumer->start(partition, 0);
  eventually([&] {
    poll();
    return member.consumer->heard_end_offset(partition) == 1 && member.read == "a ";
  });
  using namespace std::chrono_literals;
  const std::string line = partition.topic + " partition 0: rows from offset 1 on wait since ";
  const auto said = [&](std::chrono::seconds after) { return said_after(clock_, after, poll, line); };
  EXPECT_EQ(said(1s), 0u);  // which sees that rows wait
  EXPECT_EQ(said(50s), 0u);
  eventually([&] { return said(20s) == 1; });  // a broker that is slow to answer is asked again later
  EXPECT_EQ(said(550s), 0u);
  eventually([&] { return said(50s) == 1; });
  open.commit();
  eventually([&] {
    poll();
    return member.read == "a b " && member.consumer->heard_end_offset(partition) == 3;
  });
  EXPECT_EQ(said(1s), 0u);
  EXPECT_EQ(said(700s), 0u);
}

TEST_F(KafkaLogTest, AFollowerSaysOnceForAllPartitionsThatItWaitsForTransactions) {
  const TopicPartition first{topic("in"), 0};
  const TopicPartition second{topic("in"), 1};
  log_->create_topic(topic("in"), {.num_partitions = 2});
  Transaction open(topic("id"), first, "a");
  Transaction also_open(topic("id-2"), second, "a");
  const auto follower = log_->follower();
  follower->follow({{first, 0}, {second, 0}});
  const auto poll = [&] { static_cast<void>(follower->poll(std::chrono::milliseconds(1))); };
  eventually([&] {
    poll();
    return follower->lag(first) == 0 && follower->lag(second) == 0;
  });
  using namespace std::chrono_literals;
  const auto said = [&](std::chrono::seconds after, const std::string& what) {
    return said_after(clock_, after, poll, what);
  };
  EXPECT_EQ(said(1s, topic("in") + " partition "), 0u);
  eventually([&] { return said(70s, " (and 1 more partitions): rows from offset 0 on wait since ") == 1; });
  open.abort();
  also_open.commit();
  eventually([&] {
    poll();
    return follower->position(first) == 2 && follower->position(second) == 2;
  });
  EXPECT_EQ(said(1s, topic("in") + " partition "), 0u);
  EXPECT_EQ(said(700s, topic("in") + " partition "), 0u);
}

}  // namespace
}  // namespace tiderace
