#pragma once

#include <span>
#include <string>
#include <vector>

#include "log/log.h"

namespace tiderace {

/// The limit of a record where a topic's settings do not name one (memory and embedded log).
constexpr std::int64_t default_max_message_bytes = 65 << 20;

/// Throws Error{config} unless `name` is one that Kafka would take: 1 to 249 of `a-z A-Z 0-9 . _ -`, and
/// neither `.` nor `..`.
void check_topic_name(const std::string& name);

/// `config` with its defaults filled in. A setting out of its range throws Error{config}.
[[nodiscard]] TopicConfig checked_topic_config(const std::string& name, TopicConfig config);

/// What one record counts against `max_message_bytes`.
[[nodiscard]] constexpr std::int64_t size_of(const ProducerRecord& record) noexcept {
  return static_cast<std::int64_t>((record.key ? record.key->size() : 0) +
                                   (record.value ? record.value->size() : 0) + record.headers.size());
}

/// Throws Error{config} if one of `records` is over the limit of `topic`.
void check_record_sizes(const TopicInfo& topic, std::span<const ProducerRecord> records);

/// Throws Error{config} if `topic` has no partition of that number.
void check_partition(const TopicInfo& topic, std::int32_t partition);

/// The error for a topic that is not there.
[[noreturn]] void throw_unknown_topic(const std::string& name);

}  // namespace tiderace
