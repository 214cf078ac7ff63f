#include "log/assignment.h"

#include <algorithm>

#include "base/error.h"
#include "base/logging.h"

namespace tiderace {

void check_consumer_options(const ConsumerOptions& options) {
  if (options.group.empty())
    throw_error(ErrorKind::config, "a consumer wants the name of its group, found an empty one");
  if (options.workers < 1 || options.worker < 0 || options.worker >= options.workers) {
    throw_error(ErrorKind::config,
                "group {}: wanted a worker of 0 to workers - 1, found worker={} workers={}", options.group,
                options.worker, options.workers);
  }
}

std::vector<TopicPartition> owned_partitions(const std::vector<TopicInfo>& topics,
                                             const ConsumerOptions& options) {
  std::vector<TopicPartition> owned;
  for (const TopicInfo& topic : topics) {
    for (std::int32_t p = options.worker; p < topic.config.num_partitions; p += options.workers)
      owned.push_back({topic.name, p});
  }
  std::sort(owned.begin(), owned.end());
  return owned;
}

StartOffset starting_offset(const TopicPartition& partition, const ConsumerOptions& options,
                            std::optional<std::int64_t> known, std::int64_t first, std::int64_t end) {
  if (!known) return {options.auto_offset_reset == OffsetReset::earliest ? first : end, false};
  if (*known >= first && *known <= end) return {*known};
  const std::string lost = fmt::format(
      "group {}: topic {} partition {} no longer has offset {}, which comes next (it holds {} to {}); {}",
      options.group, partition.topic, partition.partition, *known, first, end,
      *known < first ? "rows fell off its retention" : "it was made anew");
  if (options.on_lost_offset == OnLostOffset::stop) {
    throw_error(
        ErrorKind::broker,
        "{}. Set on_lost_offset to \"earliest\" or \"latest\" to go on with what is there or with what comes",
        lost);
  }
  const std::int64_t start = options.on_lost_offset == OnLostOffset::earliest ? first : end;
  log(LogLevel::warning, "{}; going on from {}", lost, start);
  return {start};
}

std::int64_t first_offset_at(const Records& records, std::int64_t timestamp_ms) noexcept {
  const auto found = std::find_if(records.rows.begin(), records.rows.end(),
                                  [&](const Record& record) { return record.timestamp_ms >= timestamp_ms; });
  return found == records.rows.end() ? records.next_offset : found->offset;
}

void check_offset_commit(const std::string& group, std::span<const OffsetCommit> offsets) {
  if (group.empty() && !offsets.empty()) {
    throw_error(ErrorKind::config, "committing {} offset(s) wants the name of a group, found an empty one",
                offsets.size());
  }
}

void throw_not_assigned(const TopicPartition& partition, const ConsumerOptions& options) {
  throw_error(ErrorKind::broker, "topic {} partition {} is not assigned to worker {} of {} of group {}",
              partition.topic, partition.partition, options.worker, options.workers, options.group);
}

}  // namespace tiderace
