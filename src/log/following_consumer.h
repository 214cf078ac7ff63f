#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "log/log.h"

namespace tiderace {

/// A follower over a consumer that can also read without a group: `read_from(positions)` in place of
/// `subscribe` and `start`.
template <class ReadingConsumer>
class FollowingConsumer final : public Follower {
 public:
  explicit FollowingConsumer(std::unique_ptr<ReadingConsumer> consumer) : consumer_(std::move(consumer)) {}

  void follow(const std::map<TopicPartition, std::int64_t>& positions) override {
    consumer_->read_from(positions);
    positions_ = positions;
  }

  std::vector<std::shared_ptr<const Records>> poll(std::chrono::milliseconds timeout) override {
    std::vector<std::shared_ptr<const Records>> records = consumer_->poll(timeout).records;
    for (const auto& run : records) positions_.at({run->topic, run->partition}) = run->next_offset;
    return records;
  }

  [[nodiscard]] std::optional<std::int64_t> lag(const TopicPartition& partition) const override {
    const auto position = positions_.find(partition);
    if (position == positions_.end()) return std::nullopt;
    const auto end = consumer_->heard_end_offset(partition);
    if (!end) return std::nullopt;
    return std::max<std::int64_t>(*end - position->second, 0);
  }

 private:
  std::unique_ptr<ReadingConsumer> consumer_;
  std::map<TopicPartition, std::int64_t> positions_;
};

}  // namespace tiderace
