#include "log/memory/memory_log.h"

#include "base/error.h"
#include "log/assignment.h"
#include "log/following_consumer.h"
#include "log/memory/memory_topics.h"
#include "log/pending_records.h"
#include "log/topic_rules.h"

namespace tiderace {
namespace {

class MemoryConsumer final : public Consumer {
 public:
  MemoryConsumer(MemoryTopics& topics, const ConsumerOptions& options) : topics_(topics), options_(options) {
    check_consumer_options(options);
  }
  ~MemoryConsumer() override { topics_.leave(options_.group, this); }

  void subscribe(const std::vector<std::string>& names) override {
    std::vector<TopicInfo> infos;
    for (const std::string& name : names) {
      topics_.create_topic(name, {});
      infos.push_back(*topics_.topic(name));
    }
    std::vector<TopicPartition> owned = owned_partitions(infos, options_);
    topics_.join(options_.group, this, owned);
    for (TopicPartition& partition : owned) positions_[std::move(partition)] = std::nullopt;
    assignment_told_ = false;
  }

  PollResult poll(std::chrono::milliseconds timeout) override {
    PollResult result;
    if (!assignment_told_) {
      for (const auto& [partition, position] : positions_) result.assigned.push_back(partition);
      result.rebalanced = true;
      assignment_told_ = true;
    }
    const auto deadline = std::chrono::steady_clock::now() + timeout;
    for (;;) {
      const std::uint64_t seen = topics_.version();
      read_into(result);
      const auto left =
          std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
      if (!result.assigned.empty() || !result.records.empty() || left.count() <= 0) return result;
      topics_.wait(seen, left);
    }
  }

  void start(const TopicPartition& partition, std::int64_t offset) override {
    position_of(partition) = offset;
  }

  void hold(const TopicPartition& partition) override { position_of(partition) = std::nullopt; }

  StartOffset start_offset(const TopicPartition& partition, std::optional<std::int64_t> known) override {
    const auto committed = topics_.group_offsets(options_.group);
    if (const auto found = committed.find(partition); !known && found != committed.end())
      known = found->second;
    const auto [first, end] = topics_.offsets(partition);
    return starting_offset(partition, options_, known, first, end);
  }

  std::optional<std::int64_t> heard_end_offset(const TopicPartition& partition) override {
    if (!position_of(partition)) return std::nullopt;
    return topics_.offsets(partition).second;
  }

  /// Without a group: exactly these partitions, each from its offset on.
  void read_from(const std::map<TopicPartition, std::int64_t>& positions) {
    positions_.clear();
    for (const auto& [partition, offset] : positions) {
      static_cast<void>(topics_.offsets(partition));  // throws where there is no such partition
      positions_[partition] = offset;
    }
  }

 private:
  std::optional<std::int64_t>& position_of(const TopicPartition& partition) {
    const auto found = positions_.find(partition);
    if (found == positions_.end()) throw_not_assigned(partition, options_);
    return found->second;
  }

  void read_into(PollResult& result) {
    for (auto& [partition, position] : positions_) {
      if (!position) continue;
      auto records = topics_.read(partition, *position, options_.max_poll_bytes);
      position = records->next_offset;
      if (!records->rows.empty()) result.records.push_back(std::move(records));
    }
  }

  MemoryTopics& topics_;
  const ConsumerOptions options_;
  std::map<TopicPartition, std::optional<std::int64_t>>
      positions_;  ///< where to read on; nullopt: not started
  bool assignment_told_ = true;
};

class MemoryProducer final : public Producer {
 public:
  MemoryProducer(MemoryTopics& topics, const ProducerOptions& options)
      : topics_(topics), transactional_(!options.transactional_id.empty()), pending_(transactional_) {}

  void send(std::string_view topic, std::span<const ProducerRecord> records,
            std::int32_t partition) override {
    pending_.add(topic, records, partition, [this](const std::string& name) { return topics_.topic(name); });
  }
  void flush() override {
    if (!transactional_) make_visible({}, {});
  }
  std::map<TopicPartition, std::int64_t> commit(const std::string& group,
                                                std::span<const OffsetCommit> offsets) override {
    return make_visible(group, offsets);
  }
  void abort() noexcept override { pending_.clear(); }
  std::vector<Placement> take_placements() override { return std::exchange(placements_, {}); }

 private:
  std::map<TopicPartition, std::int64_t> make_visible(const std::string& group,
                                                      std::span<const OffsetCommit> offsets) {
    std::vector<MemoryTopics::Append> appends;
    pending_.for_each([&](const TopicInfo& topic, std::int32_t partition, std::vector<BlockBuilder>& blocks) {
      appends.push_back({{topic.name, partition}, &blocks});
    });
    auto ends = topics_.commit(appends, group, offsets);
    placements_ = pending_.placements(ends);
    pending_.clear();
    return ends;
  }

  MemoryTopics& topics_;
  const bool transactional_;
  PendingRecords pending_;
  std::vector<Placement> placements_;
};

class MemoryLog final : public Log {
 public:
  std::unique_ptr<Consumer> consumer(const ConsumerOptions& options) override {
    return std::make_unique<MemoryConsumer>(topics_, options);
  }
  std::unique_ptr<Follower> follower() override {
    return std::make_unique<FollowingConsumer<MemoryConsumer>>(
        std::make_unique<MemoryConsumer>(topics_, ConsumerOptions{.group = "reader"}));
  }
  std::unique_ptr<Producer> producer(const ProducerOptions& options) override {
    return std::make_unique<MemoryProducer>(topics_, options);
  }
  std::shared_ptr<const Records> read(const TopicPartition& partition, std::int64_t offset,
                                      std::size_t max_bytes) override {
    return topics_.read(partition, offset, max_bytes);
  }
  std::pair<std::int64_t, std::int64_t> offsets(const TopicPartition& partition) override {
    return topics_.offsets(partition);
  }
  bool create_topic(const std::string& name, const TopicConfig& config) override {
    return topics_.create_topic(name, config);
  }
  std::optional<TopicInfo> topic(const std::string& name) override { return topics_.topic(name); }
  std::vector<TopicInfo> topics() override { return topics_.topics(); }
  std::map<TopicPartition, std::int64_t> group_offsets(const std::string& group) override {
    return topics_.group_offsets(group);
  }
  std::vector<std::string> groups() override { return topics_.groups(); }
  GroupStatus group_status(const std::string& group) override { return topics_.group_status(group); }
  std::int64_t offset_at(const TopicPartition& partition, std::int64_t timestamp_ms) override {
    return topics_.offset_at(partition, timestamp_ms);
  }

 private:
  MemoryTopics topics_;
};

}  // namespace

std::unique_ptr<Log> memory_log() {
  return std::make_unique<MemoryLog>();
}

}  // namespace tiderace
