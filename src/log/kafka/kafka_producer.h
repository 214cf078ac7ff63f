#pragma once

#include <future>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "log/kafka/client.h"
#include "log/kafka/kafka_consumer.h"
#include "log/kafka/sender.h"
#include "log/kafka/topics.h"
#include "log/log.h"

namespace tiderace::kafka {

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
  [[nodiscard]] std::vector<Placement> take_placements() override;
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
