#pragma once

#include <condition_variable>
#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "log/block.h"
#include "log/log.h"

namespace tiderace {

/// What the memory log holds: topics of partitions of blocks, and the offsets of groups. Any thread: every
/// call takes the one lock.
class MemoryTopics {
 public:
  struct Append {
    TopicPartition partition;
    std::vector<BlockBuilder>* blocks = nullptr;
  };

  bool create_topic(const std::string& name, const TopicConfig& config);
  [[nodiscard]] std::optional<TopicInfo> topic(const std::string& name);
  [[nodiscard]] std::vector<TopicInfo> topics();
  [[nodiscard]] std::pair<std::int64_t, std::int64_t> offsets(const TopicPartition& partition);
  [[nodiscard]] std::map<TopicPartition, std::int64_t> group_offsets(const std::string& group);
  [[nodiscard]] std::vector<std::string> groups();
  /// A member of `group` begins to read `partitions`; it is one until `leave`.
  void join(const std::string& group, const void* member, std::vector<TopicPartition> partitions);
  void leave(const std::string& group, const void* member) noexcept;
  [[nodiscard]] GroupStatus group_status(const std::string& group);
  [[nodiscard]] std::int64_t offset_at(const TopicPartition& partition, std::int64_t timestamp_ms);

  /// The rows from `offset` on, of at least one block if there is any and of not many more bytes than
  /// `max_bytes`.
  [[nodiscard]] std::shared_ptr<const Records> read(const TopicPartition& partition, std::int64_t offset,
                                                    std::size_t max_bytes);
  /// Makes blocks and offsets visible at once and wakes who waits. Returns the
  /// end offsets.
  std::map<TopicPartition, std::int64_t> commit(const std::vector<Append>& appends, const std::string& group,
                                                std::span<const OffsetCommit> offsets);
  /// How many commits there have been.
  [[nodiscard]] std::uint64_t version();
  /// Returns when there has been a commit after `seen`, or after `timeout`.
  void wait(std::uint64_t seen, std::chrono::milliseconds timeout);

 private:
  struct StoredBlock {
    ByteBuffer bytes;
    std::int64_t base_offset = 0;
    std::int64_t next_offset = 0;
    std::int64_t max_timestamp_ms = 0;
  };
  struct Partition {
    std::vector<std::shared_ptr<const StoredBlock>> blocks;
    std::int64_t end_offset = 0;
    std::int64_t bytes = 0;
    [[nodiscard]] std::int64_t first_offset() const {
      return blocks.empty() ? end_offset : blocks.front()->base_offset;
    }
  };
  struct Topic {
    TopicInfo info;
    std::vector<Partition> partitions;
  };

  Partition& partition_of(const TopicPartition& partition);
  static void retain(Partition& partition, const TopicConfig& config);

  std::mutex mutex_;
  std::condition_variable committed_;
  std::uint64_t version_ = 0;
  std::map<std::string, Topic> topics_;
  std::map<std::string, std::map<TopicPartition, std::int64_t>> groups_;
  std::map<std::string, std::map<const void*, std::vector<TopicPartition>>> members_;
};

}  // namespace tiderace
