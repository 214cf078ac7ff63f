// What brokers answer that a healthy broker does not: errors put into librdkafka's mock of a cluster.

#include <gtest/gtest.h>
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include <ctime>
#include <future>

#include "kafka/broker.h"
#include "log/kafka/client.h"
#include "log/kafka/kafka_consumer.h"
#include "log/kafka/kafka_producer.h"
#include "log/kafka/partition_reader.h"

namespace tiderace {
namespace {

// Numbers of requests in Kafka's protocol (https://kafka.apache.org/protocol.html#protocol_api_keys).
constexpr std::int16_t produce = 0;
constexpr std::int16_t sync_group = 14;
constexpr std::int16_t init_producer_id = 22;
constexpr std::int16_t add_offsets_to_txn = 25;
constexpr std::int16_t end_txn = 26;
constexpr std::int16_t txn_offset_commit = 28;

class MockCluster {
 public:
  explicit MockCluster(int brokers = 1)
      : host_(RD_KAFKA_PRODUCER, kafka::Connection{.address = "none", .options = {}}.config({}, {})),
        cluster_(rd_kafka_mock_cluster_new(host_.get(), brokers)) {}
  ~MockCluster() { rd_kafka_mock_cluster_destroy(cluster_); }
  MockCluster(const MockCluster&) = delete;
  MockCluster& operator=(const MockCluster&) = delete;

  [[nodiscard]] std::string address() const { return rd_kafka_mock_cluster_bootstraps(cluster_); }
  void fail(std::int16_t request, const std::vector<rd_kafka_resp_err_t>& errors) {
    rd_kafka_mock_push_request_errors_array(cluster_, request, errors.size(), errors.data());
  }
  /// The next of these requests is answered late.
  void delay(std::int16_t request, std::chrono::milliseconds by) {
    rd_kafka_mock_broker_push_request_error_rtts(cluster_, 1, request, 1, RD_KAFKA_RESP_ERR_NO_ERROR,
                                                 static_cast<int>(by.count()));
  }
  void set_up(bool up) {
    if (up)
      rd_kafka_mock_broker_set_up(cluster_, 1);
    else
      rd_kafka_mock_broker_set_down(cluster_, 1);
  }
  /// Broker `number` leads partition 0 of the topic, and coordinates the group.
  void put(const std::string& topic, const std::string& group, int number) {
    rd_kafka_mock_partition_set_leader(cluster_, topic.c_str(), 0, number);
    rd_kafka_mock_coordinator_set(cluster_, "group", group.c_str(), number);
  }
  void create_topic(const std::string& name, int partitions = 1) {
    rd_kafka_mock_topic_create(cluster_, name.c_str(), partitions, 1);
  }

 private:
  kafka::Client host_;
  rd_kafka_mock_cluster_t* cluster_;
};

/// The mock does not know of settings.
class MockTopics final : public kafka::Topics {
 public:
  using Topics::Topics;

 private:
  void read_settings(TopicInfo& info) override { info.config.max_message_bytes = 1 << 20; }
};

class ProtocolTest : public testing::Test {
 protected:
  ProtocolTest() {
    cluster_.create_topic("in");
    cluster_.create_topic("out");
    consumer_.subscribe({"in"});
    std::size_t owned = 0;
    eventually([&] {
      owned += consumer_.poll(std::chrono::milliseconds(1)).assigned.size();
      return owned == 1;
    });
    renew();
    send();
    commit(1);
  }

  /// As the worker makes one where a commit was lost.
  void renew() {
    producer_ = std::make_unique<kafka::KafkaProducer>(
        connection_, topics_, ProducerOptions{.member = &consumer_, .exactly_once = true});
  }
  void send() {
    const ProducerRecord record[] = {{.key = "k", .value = "v", .headers = {}, .timestamp_ms = 1}};
    producer_->send("out", record, -1);
  }
  void commit(std::int64_t offset) {
    const OffsetCommit offsets[] = {{{"in", 0}, offset}};
    producer_->commit("g", offsets);
  }

  MockCluster cluster_;
  kafka::Connection connection_{cluster_.address(), {}, &system_clock(), "test"};
  MockTopics topics_{connection_};
  kafka::KafkaConsumer consumer_{connection_, topics_, {.group = "g"}};
  std::unique_ptr<Producer> producer_;
};

TEST_F(ProtocolTest, WhatPassesIsWaitedFor) {
  cluster_.fail(produce, {RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION, RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS});
  cluster_.fail(add_offsets_to_txn,
                {RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE, RD_KAFKA_RESP_ERR_CONCURRENT_TRANSACTIONS});
  cluster_.fail(txn_offset_commit,
                {RD_KAFKA_RESP_ERR_NOT_COORDINATOR, RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS});
  cluster_.fail(end_txn, {RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE});
  send();
  commit(2);
}

TEST_F(ProtocolTest, WhatTakesTheTransactionAwayIsACommitLost) {
  struct Case {
    std::int16_t request;
    rd_kafka_resp_err_t error;
  };
  for (const Case& one : {Case{txn_offset_commit, RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION},
                          Case{txn_offset_commit, RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID},
                          Case{end_txn, RD_KAFKA_RESP_ERR_INVALID_TXN_STATE},
                          Case{end_txn, RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH},
                          Case{produce, RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH},
                          Case{add_offsets_to_txn, RD_KAFKA_RESP_ERR_INVALID_PRODUCER_ID_MAPPING}}) {
    cluster_.fail(one.request, {one.error});
    EXPECT_THROW(
        {
          send();
          commit(2);
        },
        CommitLost)
        << one.request << ' ' << rd_kafka_err2name(one.error);
    renew();
    send();
    commit(2);
  }
}

TEST_F(ProtocolTest, AClaimThatTheGroupRefusesIsAskedAgain) {
  const OffsetCommit claims[] = {{{"in", 0}, 1}};
  cluster_.fail(txn_offset_commit, {RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION});
  EXPECT_FALSE(producer_->claim(claims));
  EXPECT_TRUE(producer_->claim(claims));
  send();
  commit(2);
}

TEST_F(ProtocolTest, AMemberMayLeaveBeforeItHearsItsFirstAssignment) {
  cluster_.delay(sync_group, std::chrono::seconds(5));
  kafka::KafkaConsumer leaves(connection_, topics_, {.group = "left"});
  leaves.subscribe({"in"});
  eventually([&] {
    EXPECT_TRUE(leaves.poll(std::chrono::milliseconds(1)).assigned.empty());
    const std::unique_ptr<char, decltype(&std::free)> id(rd_kafka_memberid(leaves.client()), std::free);
    return id && *id != '\0';  // its join is answered
  });
}

TEST_F(ProtocolTest, AMemberMayLeaveBeforeItHearsThatThereIsNothingForIt) {
  kafka::KafkaConsumer leaves(connection_, topics_, {.group = "g"});  // whose only partition is another's
  leaves.subscribe({"in"});
  const kafka::Queue queue(rd_kafka_queue_get_consumer(leaves.client()));
  eventually([&] {
    EXPECT_TRUE(consumer_.poll(std::chrono::milliseconds(1)).revoked.empty());
    return rd_kafka_queue_length(queue.get()) > 0;  // it is told when it polls
  });
}

TEST_F(ProtocolTest, AClientThatIsConnectedReadsATopicThatIsNewToItAtOnce) {
  // librdkafka looks once a second for leaders that it misses. A busy machine may take long, not each time.
  auto fastest = std::chrono::nanoseconds::max();
  for (int turn = 0; turn < 10 && fastest >= std::chrono::milliseconds(500); ++turn) {
    kafka::Client client(RD_KAFKA_CONSUMER, kafka::reader_config(connection_));
    client.meet(10'000'000'000);
    // With its connections it asks for what it knows of; the mock tells it of all topics that there are.
    kafka::Message(rd_kafka_consumer_poll(client.get(), 200));
    const std::string topic = "new-" + std::to_string(turn);
    cluster_.create_topic(topic);
    kafka::PartitionList list;
    list.add({topic, 0}, 0);
    const auto begin = std::chrono::steady_clock::now();
    kafka::assign(client.get(), list, "read");
    ASSERT_NE(kafka::Message(rd_kafka_consumer_poll(client.get(), 10'000)), nullptr);  // the end, or a row
    fastest = std::min<std::chrono::nanoseconds>(fastest, std::chrono::steady_clock::now() - begin);
    rd_kafka_consumer_close(client.get());
  }
  EXPECT_LT(fastest, std::chrono::milliseconds(500));
}

/// Two partitions, of records numbered from 0, each even one with headers and no key, each odd one a
/// tombstone.
class LostTrackTest : public ProtocolTest {
 protected:
  LostTrackTest() {
    connection_.options.linger = std::chrono::seconds(2);  // what is sent at once goes at once
    pack_headers({{"h", "1"}, {"none", std::nullopt}}, headers_);
    cluster_.create_topic("lost", 2);
  }

  void send(Producer& producer, int count) {
    for (const int last = sent_ + count; sent_ < last; sent_ += 2) {
      const std::string value = std::to_string(sent_);
      const ProducerRecord records[] = {
          {.key = std::nullopt, .value = value, .headers = headers_, .timestamp_ms = 1000 + sent_},
          {.key = "gone", .value = std::nullopt, .headers = {}, .timestamp_ms = 1001 + sent_}};
      for (const int partition : {0, 1}) producer.send("lost", records, partition);
    }
  }

  void expect_all() {
    for (const int partition : {0, 1}) {
      kafka::PartitionReader reader(connection_, {"lost", partition});
      int next = 0;
      while (next < sent_) {
        const auto records = reader.read(next, 1 << 20);
        ASSERT_FALSE(records->rows.empty());
        for (const Record& record : records->rows) {
          const bool even = next % 2 == 0;
          EXPECT_EQ(record.timestamp_ms, 1000 + next);
          EXPECT_EQ(even ? record.value_view() : record.key_view(), even ? std::to_string(next) : "gone");
          EXPECT_EQ(even ? record.key : record.value, nullptr);
          EXPECT_EQ(record.headers_view(), even ? headers_ : "");
          ++next;
        }
      }
      EXPECT_EQ(next, sent_);
    }
  }

  const std::vector<rd_kafka_resp_err_t> lost_{RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER};
  std::string headers_;
  int sent_ = 0;
};

/// How often a producer was replaced while `call` ran.
std::size_t replaced(const std::function<void()>& call) {
  ::testing::internal::CaptureStderr();
  call();
  const std::string log = ::testing::internal::GetCapturedStderr();
  constexpr std::string_view text = "have lost track of a producer";
  std::size_t count = 0;
  for (std::size_t at = log.find(text); at != std::string::npos; at = log.find(text, at + 1)) ++count;
  return count;
}

TEST(MovedTest, WhatABrokerThatIsGoneLedIsAskedOfWhoeverLeadsItNow) {
  MockCluster cluster(2);
  cluster.create_topic("rows");
  cluster.put("rows", "g", 1);
  kafka::Connection connection{cluster.address(), {}, &system_clock(), "test"};
  MockTopics topics(connection);
  const auto ask = [&] {
    static_cast<void>(topics.decided_offsets({"rows", 0}));
    static_cast<void>(topics.group_offset("g", {"rows", 0}, true));
  };
  ask();
  cluster.put("rows", "g", 2);
  cluster.set_up(false);
  const auto since = std::chrono::steady_clock::now();
  ask();
  // Else the first of them comes back when the broker does.
  EXPECT_LT(std::chrono::steady_clock::now() - since, std::chrono::seconds(20));
}

TEST(ProducerTest, SleepsWhileItsRecordsAreOnTheirWay) {
  MockCluster cluster;
  cluster.create_topic("rows");
  const kafka::Connection connection{cluster.address(), {}, &system_clock(), "test"};
  MockTopics topics(connection);
  kafka::KafkaProducer producer(connection, topics, {});
  const auto send = [&] {
    const ProducerRecord record[] = {{.key = "k", .value = "v", .headers = {}, .timestamp_ms = 1}};
    producer.send("rows", std::vector<ProducerRecord>(10, record[0]), 0);
    return std::chrono::steady_clock::now();
  };
  send();
  producer.commit("", {});
  cluster.delay(produce, std::chrono::seconds(1));
  const std::clock_t before = std::clock();
  for (int i = 0; i < 50; ++i) {  // the first are on their way soon, the rest waits
    const auto sent = send();
    eventually([&] { return std::chrono::steady_clock::now() - sent > std::chrono::milliseconds(1); });
  }
  producer.commit("", {});
  // A thread that asks again and again whether the rest may go takes all of that second.
  EXPECT_LT(static_cast<double>(std::clock() - before) / CLOCKS_PER_SEC, 0.5);
}

TEST_F(LostTrackTest, AnotherProducerSendsAgainWhatWasNotAcknowledged) {
  kafka::KafkaProducer producer(connection_, topics_, {});
  const auto send_all = [&] {
    send(producer, 100);
    producer.commit("", {});
  };
  EXPECT_EQ(replaced(send_all), 0u);
  cluster_.fail(produce, lost_);
  EXPECT_EQ(replaced(send_all), 1u);
  cluster_.fail(produce, {lost_[0], lost_[0], lost_[0]});
  EXPECT_GE(replaced(send_all), 2u);
  expect_all();
}

TEST_F(LostTrackTest, ACommitWaitsForWhatIsSentAgain) {
  kafka::KafkaProducer producer(connection_, topics_, {.member = &consumer_, .exactly_once = false});
  EXPECT_EQ(replaced([&] {
              send(producer, 100);
              cluster_.fail(produce, lost_);
              producer.begin_commit("g", std::vector<OffsetCommit>{{{"in", 0}, 3}});
              send(producer, 100);
              eventually([&] { return producer.commit_ended(); });
              EXPECT_GE(producer.end_commit().at({"lost", 1}), 100);
            }),
            1u);
  producer.commit("g", {});
  expect_all();
}

TEST_F(LostTrackTest, WhatWaitedTooLongIsKeptAndGoesOutLater) {
  MovedClock clock;
  const kafka::Connection connection{cluster_.address(), {}, &clock, "user"};
  kafka::KafkaProducer producer(connection, topics_, {});
  send(producer, 10);
  producer.commit("", {});
  cluster_.set_up(false);
  send(producer, 10);
  for (int i = 0; i < 2; ++i) {
    auto written = std::async(std::launch::async, [&] { producer.commit("", {}); });
    eventually([&] {
      clock.move(std::chrono::seconds(1));
      return written.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
    });
    EXPECT_THROW(written.get(), BrokerAway);
  }
  cluster_.set_up(true);
  producer.commit("", {});
  expect_all();
}

TEST_F(LostTrackTest, WhoIsNotLetInIsNotReplaced) {
  kafka::KafkaProducer producer(connection_, topics_, {});
  cluster_.fail(init_producer_id, {RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED});
  std::string text;
  const auto write = [&] {
    try {
      send(producer, 100);
      producer.commit("", {});
    } catch (const CommitLost&) {
      text = "lost";
    } catch (const Error& error) {
      text = error.what();
    }
  };
  EXPECT_EQ(replaced(write), 0u);
  EXPECT_NE(text.find("CLUSTER_AUTHORIZATION_FAILED"), std::string::npos) << text;
}

TEST_F(ProtocolTest, WhatCannotHealEndsTheRun) {
  const auto kind_of = [&](std::int16_t request, rd_kafka_resp_err_t error) {
    cluster_.fail(request, {error});
    try {
      send();
      commit(2);
    } catch (const CommitLost&) {
      return std::string("lost");
    } catch (const Error& failure) {
      return std::string(failure.what());
    }
    return std::string("none");
  };
  const std::string write = kind_of(produce, RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
  EXPECT_NE(write.find("out"), std::string::npos) << write;
  renew();
  const std::string begin =
      kind_of(init_producer_id, RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
  EXPECT_NE(begin.find("g-"), std::string::npos) << begin;
}

}  // namespace
}  // namespace tiderace
