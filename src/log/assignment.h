#pragma once

#include <vector>

#include "log/log.h"

namespace tiderace {

/// Throws Error{config} unless the group has a name and the worker is one of its workers.
void check_consumer_options(const ConsumerOptions& options);

/// The partitions p of `topics` with p % workers == worker, by topic and partition: what a worker of a group
/// owns where there is no broker to share them out.
[[nodiscard]] std::vector<TopicPartition> owned_partitions(const std::vector<TopicInfo>& topics,
                                                           const ConsumerOptions& options);

/// Where a group starts to read a partition of which the log holds [`first`, `end`): at `known` (a committed
/// offset, or that of state), or where `auto_offset_reset` points. One that the log no longer has is what
/// `on_lost_offset` says: Error{broker}, or another offset with a warning, since rows are lost.
[[nodiscard]] StartOffset starting_offset(const TopicPartition& partition, const ConsumerOptions& options,
                                          std::optional<std::int64_t> known, std::int64_t first,
                                          std::int64_t end);

/// The offset of the first of `records` whose timestamp is at least `timestamp_ms`; behind them if there is
/// none.
[[nodiscard]] std::int64_t first_offset_at(const Records& records, std::int64_t timestamp_ms) noexcept;

/// Throws Error{config} for offsets without a group's name.
void check_offset_commit(const std::string& group, std::span<const OffsetCommit> offsets);

/// The error for a partition that a consumer was asked for and does not own.
[[noreturn]] void throw_not_assigned(const TopicPartition& partition, const ConsumerOptions& options);

}  // namespace tiderace
