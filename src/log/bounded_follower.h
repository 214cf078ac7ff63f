#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "log/log.h"

namespace tiderace {

/// Reads partitions outside any group, without end or until what was written when it began. One thread.
class BoundedFollower {
 public:
  /// Records of one partition; `rows` are those before its end.
  struct Run {
    std::shared_ptr<const Records> records;
    std::span<const Record> rows;
  };

  /// Each partition from its offset on; with `until_end` up to its present end, once open transactions before
  /// it are decided. Throws Error{broker}.
  BoundedFollower(Log& log, const std::map<TopicPartition, std::int64_t>& from, bool until_end);

  /// What has come, as soon as there is any; empty-handed after `timeout`, which may be cut short. Throws
  /// Error{broker}.
  [[nodiscard]] std::vector<Run> poll(std::chrono::milliseconds timeout);
  /// Whether each partition is at its end.
  [[nodiscard]] bool at_end() const;
  /// The next offset to read in each partition.
  [[nodiscard]] std::map<TopicPartition, std::int64_t> positions() const;

 private:
  struct Position {
    std::int64_t next = 0;
    std::optional<std::int64_t> end;  ///< where it ends; nullopt: nowhere
    bool decided = false;             ///< all before `end` is committed or aborted
    [[nodiscard]] bool at_end() const noexcept { return end && next >= *end; }
  };

  void look_for_ends();

  Log& log_;
  std::unique_ptr<Follower> follower_;
  std::map<TopicPartition, Position> positions_;
};

}  // namespace tiderace
