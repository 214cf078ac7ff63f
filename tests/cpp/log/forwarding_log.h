#pragma once

#include <map>
#include <memory>
#include <utility>

#include "log/log.h"

namespace tiderace {

/// Another log; what a test wants otherwise, it overrides.
class ForwardingLog : public Log {
 public:
  explicit ForwardingLog(std::shared_ptr<Log> log) : log_(std::move(log)) {}

  std::unique_ptr<Consumer> consumer(const ConsumerOptions& options) override {
    return log_->consumer(options);
  }
  std::unique_ptr<Producer> producer(const ProducerOptions& options) override {
    return log_->producer(options);
  }
  std::unique_ptr<Follower> follower() override { return log_->follower(); }
  std::shared_ptr<const Records> read(const TopicPartition& partition, std::int64_t offset,
                                      std::size_t max_bytes) override {
    return log_->read(partition, offset, max_bytes);
  }
  std::pair<std::int64_t, std::int64_t> offsets(const TopicPartition& partition) override {
    return log_->offsets(partition);
  }
  bool create_topic(const std::string& name, const TopicConfig& config) override {
    return log_->create_topic(name, config);
  }
  std::optional<TopicInfo> topic(const std::string& name) override { return log_->topic(name); }
  std::vector<TopicInfo> topics() override { return log_->topics(); }
  std::map<TopicPartition, std::int64_t> group_offsets(const std::string& group) override {
    return log_->group_offsets(group);
  }
  std::vector<std::string> groups() override { return log_->groups(); }
  GroupStatus group_status(const std::string& group) override { return log_->group_status(group); }
  std::int64_t offset_at(const TopicPartition& partition, std::int64_t timestamp_ms) override {
    return log_->offset_at(partition, timestamp_ms);
  }

 protected:
  [[nodiscard]] Log& forwarded() const noexcept { return *log_; }

 private:
  std::shared_ptr<Log> log_;
};

}  // namespace tiderace
