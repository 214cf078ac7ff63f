#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "log/kafka/client.h"
#include "log/kafka/topics.h"
#include "log/log.h"

namespace tiderace::kafka {

/// Where records of one topic go and what became of them.
struct OutputTopic {
  TopicHandle handle;  ///< of the present client; null: not yet
  std::int32_t next_keyless = 0;
  std::vector<std::int64_t> ends;  ///< by partition: one past the last record that the brokers have; 0: none
};

/// One of librdkafka's producers with the topics that it writes. What fails is thrown by the next call.
///
/// Brokers may lose track of an idempotent producer, as when a partition gets another leader (KIP-360); for
/// librdkafka that is the end of it. Outside transactions a new one takes its place, which sends again what
/// was not acknowledged, in order; what was there nevertheless is there twice.
class Sender {
 public:
  /// With `placed` it tells where each record stands.
  Sender(const Connection& connection, const Settings& settings, Topics& topics, Patience patience,
         bool placed = false);
  ~Sender();

  void send(std::string_view topic, std::span<const ProducerRecord> records, std::int32_t partition);
  /// Lets librdkafka's reports in, without waiting.
  void serve();
  /// Sends at once what waits for more to be sent with, and gives the brokers a moment to have it.
  void hurry();
  /// Until the brokers have everything. Throws BrokerAway where patience ends.
  void finish();
  /// Throws what a record comes back with, which is on its way; returns where none does.
  void throw_cause();
  /// What is sent from now on is not waited for by `has_delivered`, which has been true for what was sent
  /// before the last call.
  void begin_generation() noexcept;
  /// Whether the brokers have all that was sent before the generation began.
  [[nodiscard]] bool has_delivered() const noexcept { return undelivered_[0] == 0; }
  /// How many records the brokers have not acknowledged.
  [[nodiscard]] std::uint64_t unacknowledged() const noexcept {
    return undelivered_[0] + undelivered_[1] + unsent_.size();
  }
  /// Moves the ends since the last call into `ends`.
  void take_ends(std::map<TopicPartition, std::int64_t>& ends);
  /// Of a transactional one: where the records since the last call stand, in the order of sending; the
  /// brokers have them all.
  [[nodiscard]] std::vector<Placement> take_placements();
  void forget_failure() noexcept { failure_.reset(); }
  [[nodiscard]] rd_kafka_t* client() const noexcept { return client_->get(); }
  [[nodiscard]] BrokerWatch& watch() noexcept { return watch_; }

 private:
  /// A record that the brokers have not acknowledged, back from a client that has ended.
  struct Unsent {
    std::uint64_t number = 0;
    OutputTopic* topic = nullptr;
    std::int32_t partition = 0;
    std::optional<std::string> key = {};
    std::optional<std::string> value = {};
    std::string headers = {};  ///< packed
    std::int64_t timestamp_ms = 0;
  };

  static void delivered(rd_kafka_t* client, const rd_kafka_message_t* message, void* self);
  void connect();
  void open(const std::string& name, OutputTopic& topic);
  OutputTopic& topic_of(std::string_view name);
  [[nodiscard]] std::uint64_t& undelivered(std::uint64_t number) noexcept {
    return undelivered_[number < first_of_generation_ ? 0 : 1];
  }
  void produce(OutputTopic& topic, const ProducerRecord& record, std::int32_t partition);
  /// Once there is room. Returns what librdkafka says.
  rd_kafka_resp_err_t enqueue(OutputTopic& topic, const ProducerRecord& record, std::int32_t partition,
                              std::uint64_t number);
  /// Whether the client has ended and a new one can do what it was to do.
  [[nodiscard]] bool has_to_renew() const;
  void renew();
  /// Until every record is acknowledged or back.
  void drain();
  void send_again();
  void fail(rd_kafka_resp_err_t code, const char* topic, std::int32_t partition);
  void throw_failure();

  const Connection& connection_;
  const Settings settings_;
  Topics& topics_;
  const bool transactional_;
  const bool placed_;
  BrokerWatch watch_;
  std::map<std::string, std::unique_ptr<OutputTopic>, std::less<>> outputs_;
  std::uint64_t next_number_ = 1;  ///< of a record, in the order of sending
  std::uint64_t first_of_generation_ = 1;
  std::array<std::uint64_t, 2> undelivered_{};  ///< records: before the generation, and in it
  std::vector<Unsent> unsent_;
  std::uint64_t first_placed_ = 1;  ///< the number of the first of `placements_`
  std::vector<Placement> placements_;
  std::optional<Error> failure_;
  bool failed_for_good_ = false;  ///< `failure_`: doing it again cannot help
  std::unique_ptr<Client> client_;
};

}  // namespace tiderace::kafka
