#include "log/kafka/kafka_log.h"

#include <algorithm>
#include <mutex>
#include <random>

#include "base/error.h"
#include "log/kafka/kafka_consumer.h"
#include "log/kafka/kafka_follower.h"
#include "log/kafka/kafka_producer.h"
#include "log/kafka/partition_reader.h"
#include "log/kafka/takeover.h"
#include "log/kafka/topics.h"

namespace tiderace {
namespace kafka {
namespace {

constexpr std::size_t kept_readers = 4;

/// By it the members of a group know which of them are in one process.
std::string new_client_id() {
  return fmt::format("tiderace-{:08x}", std::random_device{}());
}

class KafkaLog final : public Log {
 public:
  explicit KafkaLog(Connection connection)
      : connection_(std::move(connection)), topics_(connection_), takeover_(connection_, topics_) {}

  std::unique_ptr<Consumer> consumer(const ConsumerOptions& options) override {
    return std::make_unique<KafkaConsumer>(connection_, topics_, options);
  }
  std::unique_ptr<Producer> producer(const ProducerOptions& options) override {
    return std::make_unique<KafkaProducer>(connection_, topics_, options);
  }
  std::shared_ptr<const Records> read(const TopicPartition& partition, std::int64_t offset,
                                      std::size_t max_bytes) override {
    auto reader = take_reader(partition, offset);
    auto records = reader->read(offset, max_bytes);
    const std::lock_guard lock(mutex_);
    readers_.push_back(std::move(reader));
    if (readers_.size() > kept_readers) readers_.erase(readers_.begin());
    return records;
  }
  std::pair<std::int64_t, std::int64_t> offsets(const TopicPartition& partition) override {
    return topics_.offsets(partition);
  }
  std::int64_t written_offset(const TopicPartition& partition) override {
    return topics_.written_offset(partition);
  }
  std::pair<std::int64_t, std::int64_t> decided_offsets(const TopicPartition& partition) override {
    return topics_.decided_offsets(partition);
  }
  std::unique_ptr<Follower> follower() override { return std::make_unique<KafkaFollower>(connection_); }
  [[nodiscard]] std::string process() const override { return connection_.client_id; }
  bool take_over(const std::string& group, const TopicPartition& partition, const std::string& identity,
                 const std::atomic<bool>& cancelled) override {
    return takeover_.take_over(group, partition, identity, cancelled);
  }
  bool create_topic(const std::string& name, const TopicConfig& config) override {
    return topics_.create(name, config);
  }
  std::optional<TopicInfo> topic(const std::string& name) override { return topics_.find(name); }
  std::vector<TopicInfo> topics() override { return topics_.all(); }
  std::map<TopicPartition, std::int64_t> group_offsets(const std::string& group) override {
    std::map<TopicPartition, std::int64_t> offsets;
    for (const auto& [partition, found] : topics_.group_offsets(group)) offsets[partition] = found.offset;
    return offsets;
  }
  GroupStatus group_status(const std::string& group) override { return topics_.group_status(group); }
  std::vector<std::string> groups() override { return topics_.groups(); }
  std::int64_t offset_at(const TopicPartition& partition, std::int64_t timestamp_ms) override {
    const auto found = topics_.offset_at(partition, timestamp_ms);
    return found ? *found : topics_.offsets(partition).second;
  }

 private:
  std::unique_ptr<PartitionReader> take_reader(const TopicPartition& partition, std::int64_t offset) {
    {
      const std::lock_guard lock(mutex_);
      const auto found = std::find_if(readers_.begin(), readers_.end(), [&](const auto& reader) {
        return reader->partition() == partition && reader->position() == offset;
      });
      if (found != readers_.end()) {
        auto reader = std::move(*found);
        readers_.erase(found);
        return reader;
      }
    }
    return std::make_unique<PartitionReader>(connection_, partition);
  }

  const Connection connection_;
  Topics topics_;
  Takeover takeover_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<PartitionReader>> readers_;  ///< the latest last
};

}  // namespace
}  // namespace kafka

std::unique_ptr<Log> kafka_log(const std::string& bootstrap_servers, KafkaOptions options, Clock& clock) {
  kafka::Connection connection{bootstrap_servers, std::move(options), &clock, kafka::new_client_id()};
  const auto& settings = connection.options.consumer_config;
  if (const auto own = settings.find("client.id"); own != settings.end()) connection.client_id = own->second;
  return std::make_unique<kafka::KafkaLog>(std::move(connection));
}

}  // namespace tiderace
