#include "log/pending_records.h"

#include <algorithm>

#include "log/topic_rules.h"

namespace tiderace {
namespace {

/// Builders kept for the next blocks: fresh memory costs a page fault every 4 KiB, as much as filling it.
constexpr std::size_t max_spare_builders = 16;
constexpr std::size_t max_spare_bytes = 2 * block_target_bytes;

}  // namespace

PendingRecords::Topic& PendingRecords::topic_of(std::string_view name, const LookUp& look_up) {
  if (const auto found = topics_.find(name); found != topics_.end()) return found->second;
  const std::string topic_name(name);
  auto info = look_up(topic_name);
  if (!info) throw_unknown_topic(topic_name);
  Topic& topic = topics_[topic_name];
  topic.blocks.resize(static_cast<std::size_t>(info->config.num_partitions));
  topic.info = std::move(*info);
  return topic;
}

BlockBuilder& PendingRecords::open_block(Topic& topic, std::int32_t partition) {
  auto& blocks = topic.blocks[static_cast<std::size_t>(partition)];
  if (!blocks.empty() && blocks.back().size() < block_target_bytes) return blocks.back();
  if (blocks.empty()) used_.emplace_back(&topic, partition);
  if (!blocks.empty()) blocks.back().close();
  if (spare_.empty()) {
    blocks.emplace_back();
  } else {
    blocks.push_back(std::move(spare_.back()));
    spare_.pop_back();
  }
  return blocks.back();
}

void PendingRecords::add(std::string_view name, std::span<const ProducerRecord> records,
                         std::int32_t partition, const LookUp& look_up) {
  Topic& topic = topic_of(name, look_up);
  const std::int32_t partitions = topic.info.config.num_partitions;
  if (partition >= 0) check_partition(topic.info, partition);
  check_record_sizes(topic.info, records);
  if (records.empty()) return;
  bool keyless = false;
  for (const ProducerRecord& record : records) {
    std::int32_t target = partition;
    if (target < 0 && partitions == 1) target = 0;
    if (target < 0 && record.key) target = partition_of(*record.key, partitions);
    if (target < 0) target = topic.next_keyless, keyless = true;
    open_block(topic, target).add(record.key, record.value, record.headers, record.timestamp_ms);
    if (tracked_) targets_.push_back({&topic, target});
  }
  if (keyless) topic.next_keyless = (topic.next_keyless + 1) % partitions;
}

void PendingRecords::for_each(const Visit& visit) {
  std::sort(used_.begin(), used_.end(), [](const auto& a, const auto& b) {
    return a.first != b.first ? a.first->info.name < b.first->info.name : a.second < b.second;
  });
  for (const auto& [topic, partition] : used_)
    visit(topic->info, partition, topic->blocks[static_cast<std::size_t>(partition)]);
}

std::vector<Placement> PendingRecords::placements(const std::map<TopicPartition, std::int64_t>& ends) const {
  std::map<Target, std::int64_t> next;
  for (const Target& target : targets_) --next[target];
  for (auto& [target, offset] : next) offset += ends.at({target.topic->info.name, target.partition});
  std::vector<Placement> placements;
  placements.reserve(targets_.size());
  for (const Target& target : targets_) placements.push_back({target.partition, next[target]++});
  return placements;
}

void PendingRecords::clear() noexcept {
  targets_.clear();
  for (const auto& [topic, partition] : used_) {
    auto& blocks = topic->blocks[static_cast<std::size_t>(partition)];
    for (BlockBuilder& block : blocks) {
      if (spare_.size() >= max_spare_builders || block.capacity() > max_spare_bytes) continue;
      block.clear();
      spare_.push_back(std::move(block));
    }
    blocks.clear();
  }
  used_.clear();
}

}  // namespace tiderace
