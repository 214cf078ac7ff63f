#include "log/topic_rules.h"

#include <algorithm>

#include "base/error.h"

namespace tiderace {
namespace {

constexpr std::size_t max_topic_name_bytes = 249;
constexpr std::int32_t max_partitions = 10'000;
constexpr std::int64_t max_max_message_bytes = 512 << 20;

bool is_topic_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
         c == '-';
}

}  // namespace

void check_topic_name(const std::string& name) {
  if (name.empty() || name.size() > max_topic_name_bytes) {
    throw_error(ErrorKind::config, "topic name \"{}\": wanted 1 to {} characters, found {}",
                name.substr(0, 40), max_topic_name_bytes, name.size());
  }
  const auto wrong = std::find_if_not(name.begin(), name.end(), is_topic_character);
  if (wrong != name.end()) {
    throw_error(ErrorKind::config,
                "topic name \"{}\": wanted only the characters a-z A-Z 0-9 . _ - (Kafka's rule), found "
                "another one at position {}",
                name, wrong - name.begin());
  }
  if (name == "." || name == "..")
    throw_error(ErrorKind::config, "topic name \"{}\": Kafka does not allow it, take another", name);
}

TopicConfig checked_topic_config(const std::string& name, TopicConfig config) {
  if (config.num_partitions < 1 || config.num_partitions > max_partitions) {
    throw_error(ErrorKind::config, "topic {}: wanted 1 to {} partitions, found num_partitions={}", name,
                max_partitions, config.num_partitions);
  }
  if (config.retention_ms < -1 || config.retention_bytes < -1) {
    throw_error(ErrorKind::config,
                "topic {}: retention_ms and retention_bytes want -1 (no limit) or more, found {} and {}",
                name, config.retention_ms, config.retention_bytes);
  }
  if (config.max_message_bytes == 0) config.max_message_bytes = default_max_message_bytes;
  if (config.max_message_bytes < 1 || config.max_message_bytes > max_max_message_bytes) {
    throw_error(ErrorKind::config,
                "topic {}: wanted max_message_bytes of 1 to {} (0: the default, {}), found {}", name,
                max_max_message_bytes, default_max_message_bytes, config.max_message_bytes);
  }
  return config;
}

void check_record_sizes(const TopicInfo& topic, std::span<const ProducerRecord> records) {
  for (const ProducerRecord& record : records) {
    if (size_of(record) > topic.config.max_message_bytes) {
      throw_error(ErrorKind::config,
                  "a record of {} bytes (value {}, key {}, headers {}) is over the limit of topic {}, "
                  "max_message_bytes={}; "
                  "make the record smaller or create the topic with a higher limit",
                  size_of(record), record.value ? record.value->size() : 0,
                  record.key ? record.key->size() : 0, record.headers.size(), topic.name,
                  topic.config.max_message_bytes);
    }
  }
}

void check_partition(const TopicInfo& topic, std::int32_t partition) {
  if (partition < 0 || partition >= topic.config.num_partitions) {
    throw_error(ErrorKind::config, "topic {} has {} partition(s), numbered from 0; found partition {}",
                topic.name, topic.config.num_partitions, partition);
  }
}

void throw_unknown_topic(const std::string& name) {
  throw_error(ErrorKind::config,
              "topic {} does not exist; create it first, or check its name with `tiderace topic list`", name);
}

}  // namespace tiderace
