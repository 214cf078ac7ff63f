#include "log/embedded/embedded_producer.h"

#include <algorithm>

#include "base/logging.h"
#include "log/assignment.h"

namespace tiderace {

void EmbeddedProducer::connect() {
  if (connection_ != nullptr) return;
  opened_.emplace(open_());
  if (!transactional_id_.empty() && !name_lock_)
    name_lock_ = opened_->files.groups().acquire_id(transactional_id_);
  auto connection = opened_->files.connect();
  page_bytes_ = connection->database.query_integer("PRAGMA page_size");
  connection_ = std::move(connection);
}

void EmbeddedProducer::send(std::string_view topic, std::span<const ProducerRecord> records,
                            std::int32_t partition) {
  connect();
  pending_.add(topic, records, partition, [this](const std::string& name) -> std::optional<TopicInfo> {
    auto stored = opened_->files.find_topic(name);
    if (!stored) return std::nullopt;
    return std::move(stored->info);
  });
}

void EmbeddedProducer::flush() {
  if (transactional_id_.empty() && !pending_.empty()) commit({}, {});
}

std::map<TopicPartition, std::int64_t> EmbeddedProducer::commit(const std::string& group,
                                                                std::span<const OffsetCommit> offsets) {
  check_offset_commit(group, offsets);
  std::map<TopicPartition, std::int64_t> ends;
  if (pending_.empty() && offsets.empty()) return ends;
  connect();
  EmbeddedFiles& files = opened_->files;
  std::vector<std::int64_t> offset_partitions;
  for (const OffsetCommit& offset : offsets)
    offset_partitions.push_back(files.partition_id(offset.partition));
  // Checksums are computed before the lock is taken.
  pending_.for_each(
      [](const TopicInfo&, std::int32_t, std::vector<BlockBuilder>& blocks) { blocks.back().close(); });
  {
    const std::lock_guard lock(files.write_mutex());
    Transaction transaction(connection_->database, Transaction::Kind::write);
    const std::int64_t now_ms = files.clock().wall_ms();
    pending_.for_each([&](const TopicInfo& topic, std::int32_t partition, std::vector<BlockBuilder>& blocks) {
      const TopicPartition target{topic.name, partition};
      ends[target] = connection_->table.append(files.partition_id(target), blocks, now_ms);
    });
    for (std::size_t i = 0; i < offsets.size(); ++i) {
      connection_->table.set_group_offset(group, offset_partitions[i], offsets[i].offset);
    }
    transaction.commit();
  }
  files.wake().raise();
  placements_ = pending_.placements(ends);
  pending_.clear();
  bound_write_ahead_log();
  return ends;
}

void EmbeddedProducer::bound_write_ahead_log() {
  const std::int64_t bytes = connection_->database.wal_pages() * page_bytes_;
  opened_->maintenance.note_commit(bytes);
  const std::int64_t most = opened_->files.options().max_wal_bytes;
  if (bytes < std::max(most, wait_from_bytes_)) return;
  // The background thread does not keep up, or readers keep the log from beginning anew.
  try {
    const bool done = connection_->database.checkpoint(true);
    // Where a reader does not go away, not every commit waits for it.
    wait_from_bytes_ = done ? 0 : bytes + most / 4;
  } catch (const Error& error) {
    // The commit that led here stands; the file will be caught up with later.
    log(LogLevel::warning, "{}", error.what());
  }
}

}  // namespace tiderace
