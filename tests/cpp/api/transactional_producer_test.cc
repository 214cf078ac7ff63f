#include <gtest/gtest.h>
#include <tiderace/tiderace.h>

#include <map>

#include "temporary_directory.h"

namespace tiderace {
namespace {

using namespace std::chrono_literals;
using Stored = std::vector<RecordMetadata>;

class TransactionalProducerTest : public testing::Test {
 protected:
  TemporaryDirectory directory_;
  Application app_ = application();

  [[nodiscard]] Application application() const {
    return Application({.broker_address = "embedded:" + directory_.path(), .consumer_group = "test"});
  }
  [[nodiscard]] std::vector<std::string> values_of(const std::string& topic) {
    std::vector<std::string> values;
    auto reader = app_.get_reader({topic}, {.until_end = true});
    while (!reader.at_end()) {
      for (const TopicRecord& record : reader.poll(1s)) values.emplace_back(record.value.value_or("none"));
    }
    return values;
  }
};

TEST_F(TransactionalProducerTest, CommitTellsWhereEachRecordStands) {
  app_.topic("t", {.num_partitions = 2});
  app_.get_producer().produce({.topic = "t", .key = "0", .value = "other"});
  auto producer = app_.get_transactional_producer("id");
  std::map<std::string, Stored> by_key;
  for (int round = 0; round < 3; ++round) {
    std::vector<std::string> keys;
    for (int i = 0; i < 20; ++i) {
      keys.push_back(std::to_string((i * 7 + round) % 5));
      producer.produce({.topic = i % 3 == 0 ? "u" : "t", .key = keys.back(), .value = std::to_string(i)});
    }
    const Stored stored = producer.commit();
    ASSERT_EQ(stored.size(), keys.size());
    for (std::size_t i = 0; i < stored.size(); ++i) {
      auto reader = app_.get_reader({i % 3 == 0 ? "u" : "t"}, {.until_end = true});
      bool found = false;
      while (!reader.at_end()) {
        for (const TopicRecord& record : reader.poll(1s)) {
          if (RecordMetadata{record.partition, record.offset} != stored[i]) continue;
          EXPECT_EQ(record.key, keys[i]);
          EXPECT_EQ(record.value, std::to_string(i));
          found = true;
        }
      }
      EXPECT_TRUE(found) << round << " " << i;
    }
  }
  EXPECT_TRUE(producer.commit().empty());
}

TEST_F(TransactionalProducerTest, WhatIsNotCommittedIsForgotten) {
  {
    auto producer = app_.get_transactional_producer("id");
    producer.produce({.topic = "t", .value = "aborted"});
    producer.abort();
    producer.produce({.topic = "t", .value = "kept"});
    EXPECT_EQ(producer.commit(), (Stored{{0, 0}}));
    producer.produce({.topic = "t", .value = "given up"});
  }
  EXPECT_EQ(values_of("t"), (std::vector<std::string>{"kept"}));
}

TEST_F(TransactionalProducerTest, ARecordThatIsRefusedLeavesTheOthers) {
  auto producer = app_.get_transactional_producer("id");
  producer.produce({.topic = "t", .value = "kept"});
  EXPECT_THROW(producer.produce({.topic = "", .value = "nowhere"}), Error);
  EXPECT_THROW(producer.produce({.topic = "t", .value = std::string(70 << 20, 'x')}), Error);
  producer.produce({.topic = "t", .value = "too"});
  EXPECT_EQ(producer.commit(), (Stored{{0, 0}, {0, 1}}));
  EXPECT_EQ(values_of("t"), (std::vector<std::string>{"kept", "too"}));
}

TEST_F(TransactionalProducerTest, OneHasTheIdUntilItIsLetGoOf) {
  auto first = std::optional(app_.get_transactional_producer("id"));
  auto second = app_.get_transactional_producer("id");
  first->produce({.topic = "t", .value = "1"});
  try {
    second.produce({.topic = "t", .value = "2"});
    FAIL() << "two producers have the id";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::broker);
    EXPECT_EQ(
        std::string(error.what()),
        "transactional id id is held by another producer of this application; one producer at a time has "
        "a transactional id: let go of that one first, or take another id (a gateway: another id in "
        "gateway.toml)");
  }
  EXPECT_EQ(first->commit().size(), 1u);
  first.reset();
  second.produce({.topic = "t", .value = "3"});
  EXPECT_EQ(second.commit().size(), 1u);
}

TEST_F(TransactionalProducerTest, AnEmptyIdIsAMistake) {
  EXPECT_THROW(static_cast<void>(app_.get_transactional_producer("")), Error);
}

}  // namespace
}  // namespace tiderace
