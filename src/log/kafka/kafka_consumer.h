#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "log/kafka/client.h"
#include "log/kafka/run_builder.h"
#include "log/kafka/topics.h"
#include "log/kafka/undecided.h"
#include "log/log.h"

namespace tiderace::kafka {

/// A member of a consumer group: `Consumer` says what it does.
///
///     assigned by the group ──> told by `poll` ──> `start`ed ──> rows
///     revoked by the group ──> told by `poll` ──> given up when `poll` is called next
///
/// What the group assigns is told at once, but librdkafka is given a partition only by `start`, with the
/// offset where it is to begin: nothing is fetched while its state is restored. (Given first and moved then,
/// by a pause and a seek, or from its end, it may end up elsewhere: answers that were under way come late.)
class KafkaConsumer final : public Consumer {
 public:
  KafkaConsumer(const Connection& connection, Topics& topics, const ConsumerOptions& options);
  ~KafkaConsumer() override;

  void subscribe(const std::vector<std::string>& topics) override;
  PollResult poll(std::chrono::milliseconds timeout) override;
  void start(const TopicPartition& partition, std::int64_t offset) override;
  void hold(const TopicPartition& partition) override;
  StartOffset start_offset(const TopicPartition& partition, std::optional<std::int64_t> known) override;
  std::optional<std::int64_t> heard_end_offset(const TopicPartition& partition) override;
  bool settled() override;

  [[nodiscard]] rd_kafka_t* client() const noexcept { return client_.get(); }
  [[nodiscard]] const std::string& group() const noexcept { return options_.group; }
  /// How often the group has given partitions of this member to others unasked. Any thread.
  [[nodiscard]] std::uint64_t losses() const noexcept { return losses_.load(); }

 private:
  struct Position {
    bool started = false;  ///< librdkafka fetches it
    std::int64_t next = 0;
    bool at_end = false;             ///< nothing that is decided came behind `next` so far
    std::optional<std::size_t> run;  ///< of the poll in hand
  };
  /// Where the latest row of the poll in hand came from: the next is mostly of the same partition.
  struct Latest {
    const rd_kafka_topic_t* topic = nullptr;
    std::int32_t partition = -1;
    Position* position = nullptr;
  };

  static void rebalance(rd_kafka_t* client, rd_kafka_resp_err_t code,
                        rd_kafka_topic_partition_list_t* partitions, void* self);
  void give_up_revoked();
  void look_for_undecided();
  void seek(PartitionList& partitions, std::string_view doing);
  void keep_heart_beating();
  void take(const rd_kafka_message_t& message, PollResult& result);
  void take_error(const rd_kafka_message_t& message, PollResult& result);
  [[nodiscard]] BrokerWatch new_watch() const;  ///< of a request
  [[nodiscard]] Position& position_of(const TopicPartition& partition);
  [[nodiscard]] std::optional<std::int64_t> committed_offset(const TopicPartition& partition);
  /// Whether the group has committed these partitions up to where they ended when this was first asked.
  [[nodiscard]] bool have_processed(const std::vector<TopicPartition>& partitions);
  [[nodiscard]] std::pair<std::int64_t, std::int64_t> offsets(const TopicPartition& partition);

  const Connection& connection_;
  Topics& topics_;
  const ConsumerOptions options_;
  BrokerWatch idle_;  ///< of `poll`, where nothing comes
  UndecidedWatch undecided_;
  Client client_;
  std::vector<std::string> subscribed_;
  std::map<TopicPartition, Position> positions_;
  Latest latest_;
  std::vector<RunBuilder> runs_;  ///< of the poll in hand
  bool closing_ = false;
  std::atomic<std::uint64_t> losses_{0};  ///< times that partitions were lost
  PollResult told_;                       ///< what the callback has seen, for the poll that it happened in
  std::optional<PartitionList> revoked_;  ///< told, to be given up
  std::int64_t session_ns_ = 0;           ///< after which the group lets go of a member that is silent
  std::int64_t heartbeat_ns_ = 0;
  std::int64_t beat_ns_ = 0;        ///< when a heartbeat was last seen to
  std::int64_t rebalanced_ns_ = 0;  ///< when the group last said who owns what
  std::map<TopicPartition, std::int64_t> ends_of_others_;
};

}  // namespace tiderace::kafka
