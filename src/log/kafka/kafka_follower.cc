#include "log/kafka/kafka_follower.h"

#include "log/kafka/partition_reader.h"

namespace tiderace::kafka {
namespace {

constexpr std::size_t batch_messages = 4096;

}  // namespace

KafkaFollower::KafkaFollower(const Connection& connection)
    : undecided_(connection), client_(RD_KAFKA_CONSUMER, reader_config(connection)), batch_(batch_messages) {
  queue_.reset(rd_kafka_queue_get_consumer(client_.get()));
}

KafkaFollower::~KafkaFollower() {
  queue_.reset();
  rd_kafka_consumer_close(client_.get());
}

void KafkaFollower::follow(const std::map<TopicPartition, std::int64_t>& positions) {
  PartitionList list;
  for (const auto& [partition, offset] : positions) list.add(partition, offset);
  assign(client_.get(), list, "follow changelogs");
  positions_ = positions;
  at_end_.clear();
}

void KafkaFollower::look_for_undecided() {
  if (!undecided_.is_due()) return;
  std::map<TopicPartition, std::int64_t> reached;
  for (const TopicPartition& partition : at_end_) reached.emplace(partition, positions_.at(partition));
  undecided_.look(client_.get(), reached, [this](const TopicPartition& partition) {
    return query_offset(client_.get(), partition, RD_KAFKA_OFFSET_END);
  });
}

std::vector<std::shared_ptr<const Records>> KafkaFollower::poll(std::chrono::milliseconds timeout) {
  look_for_undecided();
  client_.serve();
  std::map<TopicPartition, RunBuilder> runs;
  // Waits for the first message alone: a longer wait would be for a full batch.
  if (rd_kafka_message_t* first = rd_kafka_consumer_poll(client_.get(), static_cast<int>(timeout.count()))) {
    take(first, runs);
    const ssize_t count = rd_kafka_consume_batch_queue(queue_.get(), 0, batch_.data(), batch_.size());
    for (ssize_t i = 0; i < count; ++i) take(batch_[static_cast<std::size_t>(i)], runs);
  }
  std::vector<std::shared_ptr<const Records>> records;
  for (auto& [partition, run] : runs) records.push_back(run.finish(positions_.at(partition)));
  return records;
}

void KafkaFollower::take(rd_kafka_message_t* message, std::map<TopicPartition, RunBuilder>& runs) {
  const Message owned(message);
  // What else it tells (a broker that is away) passes, or comes again.
  if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR && message->err != RD_KAFKA_RESP_ERR__PARTITION_EOF) return;
  const TopicPartition partition = partition_of(*message);
  const auto position = positions_.find(partition);
  if (position == positions_.end() || message->offset < position->second) return;
  if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
    at_end_.insert(partition);
    position->second = message->offset;  // past the marks of transactions, which are no records
    return;
  }
  at_end_.erase(partition);
  runs.try_emplace(partition, partition).first->second.add(*message);
  position->second = message->offset + 1;
}

std::optional<std::int64_t> KafkaFollower::position(const TopicPartition& partition) const {
  const auto position = positions_.find(partition);
  return position == positions_.end() ? std::nullopt : std::optional(position->second);
}

std::optional<std::int64_t> KafkaFollower::lag(const TopicPartition& partition) const {
  const auto position = positions_.find(partition);
  if (position == positions_.end()) return std::nullopt;
  // Only the end that librdkafka tells knows of transactions, whose marks are no records.
  if (at_end_.contains(partition)) return 0;
  std::int64_t low = 0;
  std::int64_t high = 0;
  const auto code = rd_kafka_get_watermark_offsets(client_.get(), partition.topic.c_str(),
                                                   partition.partition, &low, &high);
  if (code != RD_KAFKA_RESP_ERR_NO_ERROR || high < 0) return std::nullopt;
  return std::max<std::int64_t>(high - position->second, 0);
}

}  // namespace tiderace::kafka
