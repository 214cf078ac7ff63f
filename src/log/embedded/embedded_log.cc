#include "log/embedded/embedded_log.h"

#include <filesystem>
#include <mutex>

#include "log/assignment.h"
#include "log/embedded/embedded_consumer.h"
#include "log/embedded/embedded_files.h"
#include "log/embedded/embedded_producer.h"
#include "log/embedded/maintenance/maintenance.h"
#include "log/following_consumer.h"

namespace tiderace {
namespace {

class EmbeddedLog final : public Log {
 public:
  EmbeddedLog(std::string directory, EmbeddedOptions options, Clock& clock)
      : directory_(std::move(directory)), options_(std::move(options)), clock_(clock) {}

  std::unique_ptr<Consumer> consumer(const ConsumerOptions& options) override {
    return std::make_unique<EmbeddedConsumer>([this]() -> EmbeddedFiles& { return files(); }, options);
  }
  std::unique_ptr<Follower> follower() override {
    return std::make_unique<FollowingConsumer<EmbeddedConsumer>>(std::make_unique<EmbeddedConsumer>(
        [this]() -> EmbeddedFiles& { return files(); }, ConsumerOptions{.group = "reader"}));
  }
  std::unique_ptr<Producer> producer(const ProducerOptions& options) override {
    return std::make_unique<EmbeddedProducer>([this] { return open_for_writing(); }, options);
  }
  std::shared_ptr<const Records> read(const TopicPartition& partition, std::int64_t offset,
                                      std::size_t max_bytes) override {
    const std::int64_t id = files().partition_id(partition);
    return files().with_connection(
        [&](Connection& connection) { return connection.table.read(partition, id, offset, max_bytes); });
  }
  std::pair<std::int64_t, std::int64_t> offsets(const TopicPartition& partition) override {
    const std::int64_t id = files().partition_id(partition);
    return files().with_connection([&](Connection& connection) {
      Transaction snapshot(connection.database, Transaction::Kind::read);
      const std::int64_t first = connection.table.first_offset(id);
      return std::pair(first, connection.table.end_offset(id));
    });
  }
  bool create_topic(const std::string& name, const TopicConfig& config) override {
    return files().create_topic(name, config);
  }
  std::optional<TopicInfo> topic(const std::string& name) override {
    auto stored = files().find_topic(name);
    if (!stored) return std::nullopt;
    return std::move(stored->info);
  }
  std::vector<TopicInfo> topics() override {
    return files().with_connection([](Connection& connection) {
      std::vector<TopicInfo> infos;
      for (StoredTopic& topic : connection.table.topics()) infos.push_back(std::move(topic.info));
      return infos;
    });
  }
  std::map<TopicPartition, std::int64_t> group_offsets(const std::string& group) override {
    return files().with_connection([&](Connection& connection) {
      Transaction snapshot(connection.database, Transaction::Kind::read);
      const auto by_id = connection.table.group_offsets(group);
      std::map<TopicPartition, std::int64_t> offsets;
      for (const StoredTopic& topic : connection.table.topics()) {
        const std::int64_t end = topic.first_partition_id + topic.info.config.num_partitions;
        for (auto at = by_id.lower_bound(topic.first_partition_id); at != by_id.end() && at->first < end;
             ++at) {
          offsets[{topic.info.name, static_cast<std::int32_t>(at->first - topic.first_partition_id)}] =
              at->second;
        }
      }
      return offsets;
    });
  }
  std::vector<std::string> groups() override {
    return files().with_connection([](Connection& connection) { return connection.table.groups(); });
  }
  GroupStatus group_status(const std::string& group) override {
    const auto holder = files().groups().holder(group);
    if (!holder) return {};
    return {GroupState::stable, {{*holder, {}}}};
  }
  std::int64_t offset_at(const TopicPartition& partition, std::int64_t timestamp_ms) override {
    const std::int64_t id = files().partition_id(partition);
    return files().with_connection([&](Connection& connection) {
      Transaction snapshot(connection.database, Transaction::Kind::read);
      const auto block = connection.table.first_block_at(id, timestamp_ms);
      if (!block) return connection.table.end_offset(id);
      return first_offset_at(*connection.table.read(partition, id, *block, 1), timestamp_ms);
    });
  }

 private:
  EmbeddedFiles& files() {
    const std::lock_guard lock(mutex_);
    if (files_ == nullptr) files_ = std::make_unique<EmbeddedFiles>(directory_, options_, clock_);
    return *files_;
  }
  EmbeddedProducer::Opened open_for_writing() {
    EmbeddedFiles& opened = files();
    const std::lock_guard lock(mutex_);
    if (maintenance_ == nullptr) maintenance_ = std::make_unique<Maintenance>(opened);
    return {opened, *maintenance_};
  }

  const std::string directory_;
  const EmbeddedOptions options_;
  Clock& clock_;
  std::mutex mutex_;  ///< guards the two below, while they are made
  std::unique_ptr<EmbeddedFiles> files_;
  std::unique_ptr<Maintenance> maintenance_;
};

}  // namespace

std::unique_ptr<Log> embedded_log(const std::string& directory, EmbeddedOptions options, Clock& clock) {
  return std::make_unique<EmbeddedLog>(directory, std::move(options), clock);
}

bool embedded_log_exists(const std::string& directory) {
  std::error_code unknown;  // what cannot be looked at is for whoever opens it to complain of
  return std::filesystem::exists(directory + "/log.db", unknown) || unknown;
}

}  // namespace tiderace
