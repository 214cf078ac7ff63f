#include <gtest/gtest.h>

#include <map>
#include <thread>

#include "held_clock.h"
#include "log/embedded/embedded_log.h"
#include "temporary_directory.h"

namespace tiderace {
namespace {

using namespace std::chrono_literals;

constexpr std::int64_t hour_ms = 3'600'000;
const TopicPartition changelog{"changelog", 0};

class CompactionTest : public testing::Test {
 protected:
  CompactionTest() { log_->create_topic("changelog", {.compacted = true}); }

  /// One commit of `key=value` for every key in [begin, end); an empty value is a tombstone.
  void put(int begin, int end, const std::string& value, std::int64_t timestamp_ms = 0) {
    std::vector<std::string> keys;
    for (int i = begin; i < end; ++i) keys.push_back("key-" + std::to_string(i));
    std::vector<ProducerRecord> records;
    for (const std::string& key : keys) {
      records.push_back({.key = key, .value = {}, .headers = {}, .timestamp_ms = timestamp_ms});
      if (!value.empty()) records.back().value = value;
      if (value.empty())
        expected_.erase(key);
      else
        expected_[key] = value;
    }
    producer_->send("changelog", records);
    producer_->flush();
  }

  struct Contents {
    std::map<std::string, std::string> state;
    std::size_t rows = 0;
    std::size_t tombstones = 0;
  };
  /// What a reader from `offset` on makes of the changelog.
  Contents contents(std::int64_t offset = 0, std::map<std::string, std::string> state = {}) {
    Contents found{.state = std::move(state)};
    std::int64_t last = offset - 1;
    for (;;) {
      const auto records = log_->read(changelog, offset, 10'000);
      if (records->next_offset == offset) break;
      for (const Record& row : records->rows) {
        EXPECT_GT(row.offset, last);
        last = row.offset;
        ++found.rows;
        if (row.value == nullptr) {
          ++found.tombstones;
          found.state.erase(std::string(row.key_view()));
        } else {
          found.state[std::string(row.key_view())] = row.value_view();
        }
      }
      EXPECT_GT(records->next_offset, last);
      offset = records->next_offset;
    }
    EXPECT_EQ(offset, log_->offsets(changelog).second);
    return found;
  }
  template <class Holds>
  void eventually(const Holds& holds) {
    const auto deadline = std::chrono::steady_clock::now() + 30s;
    while (!holds()) {
      ASSERT_LT(std::chrono::steady_clock::now(), deadline);
      std::this_thread::yield();
    }
  }

  TemporaryDirectory directory_;
  HeldClock clock_;
  std::unique_ptr<Log> log_ =
      embedded_log(directory_.path(), {.maintenance_interval = 1ms, .min_compaction_bytes = 5'000}, clock_);
  std::unique_ptr<Producer> producer_ = log_->producer();
  std::map<std::string, std::string> expected_;
};

TEST_F(CompactionTest, KeepsTheLastRecordOfEachKeyWhereItWas) {
  for (int round = 0; round < 100; ++round) put(0, 100, "value-" + std::to_string(round));
  eventually([&] { return contents().rows < 1000; });
  EXPECT_EQ(contents().state, expected_);
  EXPECT_EQ(log_->offsets(changelog).second, 10'000);
  EXPECT_EQ(log_->read(changelog, 9'999, 1)->rows.at(0).key_view(), "key-99");
}

TEST_F(CompactionTest, AReaderFromAnyOffsetEndsWithTheRightState) {
  put(0, 50, "old");
  const Contents half = contents();
  const std::int64_t from = log_->offsets(changelog).second;
  for (int round = 0; round < 100; ++round) put(25, 125, "value-" + std::to_string(round));
  put(40, 60, "");
  put(100, 110, "");
  eventually([&] { return contents().rows < 1000; });
  EXPECT_EQ(contents().state, expected_);
  EXPECT_EQ(contents(from, half.state).state, expected_)
      << "a reader that stopped before the compaction goes on";
  EXPECT_EQ(contents(from + 7, half.state).state, expected_);
  EXPECT_GE(contents().tombstones, 30u) << "tombstones stay for readers that are behind";
}

TEST_F(CompactionTest, TombstonesGoWhenBothTimesHavePassed) {
  put(0, 100, "value", hour_ms);
  put(0, 50, "", hour_ms);
  for (int round = 0; round < 100; ++round) put(50, 100, "value-" + std::to_string(round), 2 * hour_ms);
  eventually([&] { return contents().rows < 500; });
  EXPECT_EQ(contents().tombstones, 50u);
  // The records' times are past, but they were written only just now.
  for (int round = 0; round < 100; ++round) put(50, 100, "later-" + std::to_string(round), 30 * hour_ms);
  eventually([&] { return contents().rows < 500; });
  EXPECT_EQ(contents().tombstones, 50u);
  clock_.move_to(25 * hour_ms);
  for (int round = 0; round < 100; ++round) put(50, 100, "last-" + std::to_string(round), 30 * hour_ms);
  eventually([&] { return contents().tombstones == 0; });
  EXPECT_EQ(contents().state, expected_);
}

TEST_F(CompactionTest, AReaderDuringCompactionSeesEveryKeysLastValue) {
  std::map<std::string, std::string> state;
  const auto consumer = log_->consumer({.group = "g"});
  consumer->subscribe({"changelog"});
  static_cast<void>(consumer->poll(0ms));
  consumer->start(changelog, 0);
  for (int round = 0; round < 300; ++round) {
    put(0, 40, "value-" + std::to_string(round) + std::string(50, 'x'));
    if (round % 7 != 0) continue;
    for (const auto& run : consumer->poll(0ms).records) {
      for (const Record& row : run->rows) state[std::string(row.key_view())] = row.value_view();
    }
  }
  eventually([&] { return contents().rows < 2000; });
  for (PollResult polled; !(polled = consumer->poll(0ms)).records.empty();) {
    for (const Record& row : polled.records[0]->rows) state[std::string(row.key_view())] = row.value_view();
  }
  EXPECT_EQ(state, expected_);
}

}  // namespace
}  // namespace tiderace
