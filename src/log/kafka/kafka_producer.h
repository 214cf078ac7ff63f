#pragma once

#include <array>
#include <future>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "log/kafka/client.h"
#include "log/kafka/kafka_consumer.h"
#include "log/kafka/topics.h"
#include "log/log.h"

namespace tiderace::kafka {

/// Where records of one topic go and what became of them.
struct OutputTopic {
  /// What librdkafka's report of a record leads back to.
  struct Origin {
    OutputTopic* topic;
    std::size_t generation;
  };

  TopicHandle handle;
  std::array<Origin, 2> origins{Origin{this, 0}, Origin{this, 1}};
  std::int32_t next_keyless = 0;
  std::vector<std::int64_t> ends;  ///< by partition: one past the last record that the brokers have; 0: none
};

/// One of librdkafka's producers with the topics that it writes. What fails is thrown by the next call.
class Sender {
 public:
  Sender(const Connection& connection, const Settings& settings, Topics& topics, Patience patience);
  ~Sender();

  void send(std::string_view topic, std::span<const ProducerRecord> records, std::int32_t partition);
  /// Lets librdkafka's reports in, without waiting.
  void serve();
  /// Until the brokers have everything. Throws BrokerAway where patience ends.
  void finish();
  /// What is sent from now on is not waited for by `has_delivered`, which has been true for what was sent
  /// before the last call.
  void begin_generation() noexcept { generation_ = 1 - generation_; }
  /// Whether the brokers have all that was sent before the generation began.
  [[nodiscard]] bool has_delivered() const noexcept { return undelivered_[1 - generation_] == 0; }
  /// Moves the ends since the last call into `ends`.
  void take_ends(std::map<TopicPartition, std::int64_t>& ends);
  void forget_failure() noexcept { failure_.reset(); }
  [[nodiscard]] rd_kafka_t* client() const noexcept { return client_.get(); }
  [[nodiscard]] BrokerWatch& watch() noexcept { return watch_; }

 private:
  static void delivered(rd_kafka_t* client, const rd_kafka_message_t* message, void* self);
  OutputTopic& topic_of(std::string_view name);
  void produce(OutputTopic& topic, const ProducerRecord& record, std::int32_t partition);
  void throw_failure();

  Topics& topics_;
  const bool transactional_;
  BrokerWatch watch_;
  std::map<std::string, std::unique_ptr<OutputTopic>, std::less<>>
      outputs_;  ///< before the client, which points to them
  std::size_t generation_ = 0;
  std::array<std::uint64_t, 2> undelivered_{};  ///< records, by generation
  std::optional<Error> failure_;
  bool failed_for_good_ = false;  ///< `failure_`: doing it again cannot help
  Client client_;
};

/// `Producer` says what it does. Under at-least-once, outputs go by an idempotent producer as they come;
/// changes of state and offsets in a transaction a commit, so that a changelog never holds half a checkpoint.
/// Under exactly-once everything is in the transaction. A commit that is decided by a thread beside the
/// caller leaves the caller the outputs alone.
///
/// A transaction that its owner leaves open keeps readers and offsets waiting until it times out. So the id
/// of the producer is in the metadata of the offsets that it commits, from the claim until it gives a
/// partition back: see Takeover.
class KafkaProducer final : public Producer {
 public:
  KafkaProducer(const Connection& connection, Topics& topics, const ProducerOptions& options);
  ~KafkaProducer() override;

  void send(std::string_view topic, std::span<const ProducerRecord> records, std::int32_t partition) override;
  void send_state(std::string_view topic, std::span<const ProducerRecord> records,
                  std::int32_t partition) override;
  [[nodiscard]] std::string identity() const override { return transactional_id_; }
  void warm_up() override;
  bool claim(std::span<const OffsetCommit> offsets) override;
  void flush() override;
  std::map<TopicPartition, std::int64_t> commit(const std::string& group,
                                                std::span<const OffsetCommit> offsets) override;
  void begin_commit(const std::string& group, std::span<const OffsetCommit> offsets) override;
  [[nodiscard]] bool commit_ended() override;
  [[nodiscard]] bool is_deciding() const override { return commit_ && commit_->decision.valid(); }
  std::map<TopicPartition, std::int64_t> end_commit() override;
  void abort() noexcept override;

 private:
  /// A commit that has begun: first the outputs have to be delivered, then it is decided, by the caller of
  /// `end_commit` or by a thread beside it.
  struct Commit {
    std::vector<OffsetCommit> offsets;
    std::uint64_t losses;        ///< of the member, when it began
    std::future<void> decision;  ///< of the thread, which has the transactional sender until then
  };
  Sender& outputs();
  /// The transactional one, which has begun as its id.
  Sender& transactional();
  /// The same, within a transaction.
  Sender& transaction();
  /// With the group's generation where the offsets are a claim.
  void commit_transaction(std::span<const OffsetCommit> offsets, bool claim);
  void commit_offsets(std::span<const OffsetCommit> offsets);
  /// The one or the other, of `commit_`.
  void decide();
  /// Throws CommitLost where the member has lost partitions since `commit_` began: others have them.
  void check_losses() const;
  /// Calls `request` until it succeeds; throws CommitLost where the transaction cannot go on.
  template <class Request>
  void insist(std::string_view doing, const Request& request);

  const Connection& connection_;
  Topics& topics_;
  const ProducerOptions options_;
  KafkaConsumer* const member_;
  const std::string transactional_id_;  ///< empty: offsets are committed by the consumer
  const Patience patience_;
  std::unique_ptr<Sender> outputs_;
  std::unique_ptr<Sender> transactional_;
  bool in_transaction_ = false;
  BrokerWatch offsets_watch_;  ///< of `commit_offsets`
  std::optional<Commit> commit_;
};

}  // namespace tiderace::kafka
