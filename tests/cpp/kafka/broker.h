#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <functional>
#include <iterator>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "log/kafka/kafka_log.h"

namespace tiderace {

/// The address of the broker that ctest has started.
inline std::string broker_address() {
  std::ifstream file(TIDERACE_KAFKA_FOLDER "/cluster.json");
  const std::string text((std::istreambuf_iterator<char>(file)), {});
  const std::string before = "\"port\": ";
  const auto at = text.find(before);
  if (at == std::string::npos)
    throw std::runtime_error(
        "no broker runs; ctest starts one, as does: tools/kafka.py up --port 0 "
        "--folder " TIDERACE_KAFKA_FOLDER);
  return "127.0.0.1:" + std::to_string(std::stoi(text.substr(at + before.size())));
}

/// Asks until it holds.
inline void eventually(const std::function<bool()>& holds) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (!holds()) {
    ASSERT_LT(std::chrono::steady_clock::now(), deadline);
    std::this_thread::yield();
  }
}

/// A time that goes on, and can be moved forward.
class MovedClock final : public Clock {
 public:
  std::int64_t wall_ms() override { return system_clock().wall_ms(); }
  std::int64_t steady_ns() override { return system_clock().steady_ns() + ahead_ns_; }
  void move(std::chrono::nanoseconds by) { ahead_ns_ += by.count(); }

 private:
  std::atomic<std::int64_t> ahead_ns_ = 0;
};

/// A member of a group, as the worker has one.
struct Member {
  Member(Log& log, const std::string& group, const std::vector<std::string>& topics, bool exactly_once = true,
         const std::string& group_instance_id = {}) {
    ConsumerOptions options;
    options.group = group;
    options.group_instance_id = group_instance_id;
    consumer = log.consumer(options);
    producer = log.producer({.member = consumer.get(), .exactly_once = exactly_once});
    consumer->subscribe(topics);
  }

  /// One poll; what came is kept.
  void poll() {
    const PollResult result = consumer->poll(std::chrono::milliseconds(1));
    for (const auto& gone : {result.revoked, result.lost}) {
      for (const TopicPartition& partition : gone) {
        std::erase(owned, partition);
        taken_away.push_back(partition);
      }
    }
    owned.insert(owned.end(), result.assigned.begin(), result.assigned.end());
    for (const auto& records : result.records) {
      for (const Record& row : records->rows) read += std::string(row.value_view()) + ' ';
    }
  }

  std::unique_ptr<Consumer> consumer;
  std::unique_ptr<Producer> producer;
  std::vector<TopicPartition> owned;
  std::vector<TopicPartition> taken_away;
  std::string read;
};

/// Topics and a group that no other test and no earlier run has.
class KafkaTest : public testing::Test {
 protected:
  KafkaTest() {
    const auto* test = testing::UnitTest::GetInstance()->current_test_info();
    std::string own = test->name();
    std::replace(own.begin(), own.end(), '/', '-');
    name_ = own + "-" + std::to_string(system_clock().wall_ms()) + "-" + std::to_string(::getpid());
  }

  [[nodiscard]] std::string topic(const std::string& which) const { return name_ + "-" + which; }
  [[nodiscard]] const std::string& group() const { return name_; }

  void write(const std::string& to, std::int32_t partition, const std::vector<std::string>& values) {
    const auto producer = log_->producer();
    std::vector<ProducerRecord> records;
    for (const std::string& value : values)
      records.push_back({.key = "k", .value = value, .headers = {}, .timestamp_ms = 7});
    producer->send(to, records, partition);
    producer->flush();
    producer->commit("", {});
  }

  /// All committed values of a partition, joined by blanks.
  std::string values(const TopicPartition& partition) {
    static_cast<void>(log_->decided_offsets(partition));
    std::string joined;
    for (std::int64_t offset = 0;;) {
      const auto records = log_->read(partition, offset, 1 << 20);
      if (records->next_offset == offset) return joined;
      for (const Record& row : records->rows)
        joined.append(joined.empty() ? "" : " ").append(row.value_view());
      offset = records->next_offset;
    }
  }

  /// As the worker does it before it reads.
  void claim(Member& member) {
    std::vector<OffsetCommit> offsets;
    for (const TopicPartition& partition : member.owned) {
      const std::atomic<bool> cancelled = false;
      ASSERT_TRUE(log_->take_over(group(), partition, member.producer->identity(), cancelled));
      offsets.push_back({partition, member.consumer->start_offset(partition).offset});
    }
    ASSERT_TRUE(member.producer->claim(offsets));
  }

  MovedClock clock_;
  std::string name_;
  std::shared_ptr<Log> log_ = kafka_log(broker_address(), {}, clock_);
};

}  // namespace tiderace
