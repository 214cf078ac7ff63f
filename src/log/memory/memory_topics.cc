#include "log/memory/memory_topics.h"

#include <algorithm>

#include "base/clock.h"
#include "base/error.h"
#include "log/assignment.h"
#include "log/topic_rules.h"

namespace tiderace {

bool MemoryTopics::create_topic(const std::string& name, const TopicConfig& config) {
  check_topic_name(name);
  const TopicConfig checked = checked_topic_config(name, config);
  const std::lock_guard lock(mutex_);
  const auto [found, created] = topics_.try_emplace(name);
  if (!created) return false;
  found->second.info = {name, checked};
  found->second.partitions.resize(static_cast<std::size_t>(checked.num_partitions));
  return true;
}

std::optional<TopicInfo> MemoryTopics::topic(const std::string& name) {
  const std::lock_guard lock(mutex_);
  const auto found = topics_.find(name);
  if (found == topics_.end()) return std::nullopt;
  return found->second.info;
}

std::vector<TopicInfo> MemoryTopics::topics() {
  const std::lock_guard lock(mutex_);
  std::vector<TopicInfo> infos;
  for (const auto& [name, topic] : topics_) infos.push_back(topic.info);
  return infos;
}

MemoryTopics::Partition& MemoryTopics::partition_of(const TopicPartition& partition) {
  const auto found = topics_.find(partition.topic);
  if (found == topics_.end()) throw_unknown_topic(partition.topic);
  auto& partitions = found->second.partitions;
  check_partition(found->second.info, partition.partition);
  return partitions[static_cast<std::size_t>(partition.partition)];
}

std::pair<std::int64_t, std::int64_t> MemoryTopics::offsets(const TopicPartition& partition) {
  const std::lock_guard lock(mutex_);
  const Partition& found = partition_of(partition);
  return {found.first_offset(), found.end_offset};
}

std::map<TopicPartition, std::int64_t> MemoryTopics::group_offsets(const std::string& group) {
  const std::lock_guard lock(mutex_);
  const auto found = groups_.find(group);
  if (found == groups_.end()) return {};
  return found->second;
}

std::vector<std::string> MemoryTopics::groups() {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> names;
  for (const auto& [name, offsets] : groups_) names.push_back(name);
  return names;
}

void MemoryTopics::join(const std::string& group, const void* member,
                        std::vector<TopicPartition> partitions) {
  const std::lock_guard lock(mutex_);
  members_[group][member] = std::move(partitions);
}

void MemoryTopics::leave(const std::string& group, const void* member) noexcept {
  const std::lock_guard lock(mutex_);
  if (const auto found = members_.find(group); found != members_.end()) found->second.erase(member);
}

GroupStatus MemoryTopics::group_status(const std::string& group) {
  const std::lock_guard lock(mutex_);
  GroupStatus status;
  if (const auto found = members_.find(group); found != members_.end()) {
    for (const auto& [member, partitions] : found->second)
      status.members.push_back({"a consumer of this process", partitions});
  }
  if (!status.members.empty()) status.state = GroupState::stable;
  return status;
}

std::int64_t MemoryTopics::offset_at(const TopicPartition& partition, std::int64_t timestamp_ms) {
  std::int64_t from = 0;
  {
    const std::lock_guard lock(mutex_);
    const Partition& found = partition_of(partition);
    const auto block = std::find_if(found.blocks.begin(), found.blocks.end(), [&](const auto& candidate) {
      return candidate->max_timestamp_ms >= timestamp_ms;
    });
    if (block == found.blocks.end()) return found.end_offset;
    from = (*block)->base_offset;
  }
  const auto records = read(partition, from, 1);
  return first_offset_at(*records, timestamp_ms);
}

std::shared_ptr<const Records> MemoryTopics::read(const TopicPartition& partition, std::int64_t offset,
                                                  std::size_t max_bytes) {
  auto owner = std::make_shared<std::vector<std::shared_ptr<const StoredBlock>>>();
  auto records = std::make_shared<Records>();
  {
    const std::lock_guard lock(mutex_);
    const auto& blocks = partition_of(partition).blocks;
    auto block = std::upper_bound(blocks.begin(), blocks.end(), offset,
                                  [](std::int64_t wanted, const auto& b) { return wanted < b->next_offset; });
    for (std::size_t bytes = 0; block != blocks.end() && (bytes == 0 || bytes < max_bytes); ++block) {
      owner->push_back(*block);
      bytes += (*block)->bytes.size();
    }
  }
  records->topic = partition.topic;
  records->partition = partition.partition;
  records->next_offset = owner->empty() ? offset : owner->back()->next_offset;
  records->padded = true;
  for (const auto& block : *owner) {
    const auto fault = decode_block(block->bytes.view(), block->base_offset, offset, records->rows);
    if (fault) throw_damaged_block(partition.topic, partition.partition, block->base_offset, *fault);
  }
  records->owner = std::move(owner);
  return records;
}

void MemoryTopics::retain(Partition& partition, const TopicConfig& config) {
  auto& blocks = partition.blocks;
  const std::int64_t oldest = config.retention_ms < 0 ? 0 : system_clock().wall_ms() - config.retention_ms;
  std::size_t gone = 0;
  for (; gone + 1 < blocks.size(); ++gone) {
    const auto size = static_cast<std::int64_t>(blocks[gone]->bytes.size());
    const bool too_old = config.retention_ms >= 0 && blocks[gone]->max_timestamp_ms < oldest;
    const bool too_many = config.retention_bytes >= 0 && partition.bytes - size >= config.retention_bytes;
    if (!too_old && !too_many) break;
    partition.bytes -= size;
  }
  blocks.erase(blocks.begin(), blocks.begin() + static_cast<std::ptrdiff_t>(gone));
}

std::map<TopicPartition, std::int64_t> MemoryTopics::commit(const std::vector<Append>& appends,
                                                            const std::string& group,
                                                            std::span<const OffsetCommit> offsets) {
  check_offset_commit(group, offsets);
  std::map<TopicPartition, std::int64_t> ends;
  {
    const std::lock_guard lock(mutex_);
    for (const OffsetCommit& offset : offsets) static_cast<void>(partition_of(offset.partition));
    for (const Append& append : appends) {
      Partition& partition = partition_of(append.partition);
      for (BlockBuilder& builder : *append.blocks) {
        auto stored = std::make_shared<StoredBlock>();
        stored->base_offset = partition.end_offset;
        stored->next_offset = partition.end_offset + builder.offset_span();
        stored->max_timestamp_ms = builder.max_timestamp_ms();
        builder.close();
        builder.stamp(stored->base_offset);
        stored->bytes = builder.take();
        partition.end_offset = stored->next_offset;
        partition.bytes += static_cast<std::int64_t>(stored->bytes.size());
        partition.blocks.push_back(std::move(stored));
      }
      retain(partition, topics_.at(append.partition.topic).info.config);
      ends[append.partition] = partition.end_offset;
    }
    if (!offsets.empty()) {
      auto& committed = groups_[group];
      for (const OffsetCommit& offset : offsets) committed[offset.partition] = offset.offset;
    }
    ++version_;
  }
  committed_.notify_all();
  return ends;
}

std::uint64_t MemoryTopics::version() {
  const std::lock_guard lock(mutex_);
  return version_;
}

void MemoryTopics::wait(std::uint64_t seen, std::chrono::milliseconds timeout) {
  std::unique_lock lock(mutex_);
  committed_.wait_for(lock, timeout, [&] { return version_ != seen; });
}

}  // namespace tiderace
