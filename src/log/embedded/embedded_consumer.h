#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>

#include "log/embedded/embedded_files.h"
#include "log/log.h"

namespace tiderace {

/// A consumer of the embedded log: `Consumer` says what it does. It opens its connection when first used.
class EmbeddedConsumer final : public Consumer {
 public:
  using Open = std::function<EmbeddedFiles&()>;
  EmbeddedConsumer(Open open, const ConsumerOptions& options);

  void subscribe(const std::vector<std::string>& topics) override;
  PollResult poll(std::chrono::milliseconds timeout) override;
  void start(const TopicPartition& partition, std::int64_t offset) override;
  void hold(const TopicPartition& partition) override { position_of(partition).offset.reset(); }
  StartOffset start_offset(const TopicPartition& partition, std::optional<std::int64_t> known) override;
  std::optional<std::int64_t> heard_end_offset(const TopicPartition& partition) override;
  /// Without a group: exactly these partitions, each from its offset on.
  void read_from(const std::map<TopicPartition, std::int64_t>& positions);

 private:
  struct Position {
    std::int64_t partition_id = 0;
    std::optional<std::int64_t> offset;  ///< where to read on; nullopt: not started
    std::optional<std::int64_t> end;     ///< where the partition ended when it was last looked at
  };

  void connect();
  Position& position_of(const TopicPartition& partition);
  void read_into(PollResult& result);

  const Open open_;
  const ConsumerOptions options_;
  EmbeddedFiles* files_ = nullptr;
  std::unique_ptr<Connection> connection_;
  std::shared_ptr<const FileLock> group_lock_;
  std::map<TopicPartition, Position> positions_;
  bool assignment_told_ = true;
  std::optional<std::uint32_t> empty_at_;  ///< the commit counter before the last read, if that found nothing
  std::chrono::steady_clock::time_point looked_at_;
};

}  // namespace tiderace
