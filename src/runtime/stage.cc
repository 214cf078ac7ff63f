#include "runtime/stage.h"

namespace tiderace {

TopicConfig topic_config(const TopicOptions& options) {
  TopicConfig config;
  config.num_partitions = options.num_partitions;
  config.replication_factor = static_cast<std::int16_t>(options.replication_factor);
  config.retention_ms = options.retention_ms;
  config.retention_bytes = options.retention_bytes;
  config.compacted = options.compacted;
  return config;
}

std::string changelog_topic(const std::string& group, const std::string& topic) {
  return group + "-" + topic + "-changelog";
}

TopicPartition changelog_of(const RuntimeContext& context, const TopicPartition& input) {
  return {changelog_topic(context.options.consumer_group, input.topic), input.partition};
}

std::string store_name(const RuntimeContext& context, const TopicPartition& input) {
  return context.options.consumer_group + "/" + input.topic + "/" + std::to_string(input.partition);
}

}  // namespace tiderace
