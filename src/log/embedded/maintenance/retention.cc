#include "log/embedded/maintenance/retention.h"

#include "log/embedded/schema.h"

namespace tiderace {
namespace {

/// What one transaction drops: few enough not to hold a producer up.
constexpr int max_blocks_per_step = 64;
constexpr std::int64_t max_bytes_per_step = 16 << 20;

}  // namespace

Retention::Retention(EmbeddedFiles& files, Connection& connection, const StoredTopic& topic,
                     std::int32_t partition)
    : files_(files),
      connection_(connection),
      config_(topic.info.config),
      partition_id_(topic.partition_id(partition)) {}

Retention::Droppable Retention::find_droppable() {
  Database& database = connection_.database;
  Statement partition = database.prepare("SELECT bytes FROM partitions WHERE id = ?");
  std::int64_t bytes_left = partition.bind(0, partition_id_).step() ? partition.integer(0) : 0;
  const std::int64_t oldest_ms = files_.clock().wall_ms() - config_.retention_ms;
  Statement blocks = database.prepare(
      "SELECT id, size, max_timestamp_ms FROM blocks WHERE id > ? AND id <= ? ORDER BY id LIMIT ?");
  blocks.bind(0, block_id(partition_id_, 0))
      .bind(1, block_id(partition_id_, max_offset))
      .bind(2, max_blocks_per_step + 1);
  Droppable found;
  bool any = blocks.step();
  while (any && found.bytes < max_bytes_per_step) {
    const std::int64_t id = blocks.integer(0);
    const std::int64_t size = blocks.integer(1);
    const bool too_old = config_.retention_ms >= 0 && blocks.integer(2) < oldest_ms;
    const bool too_many = config_.retention_bytes >= 0 && bytes_left - size >= config_.retention_bytes;
    // The last row of the result may be the newest block: only what has another behind it goes.
    if ((!too_old && !too_many) || !blocks.step()) break;
    found.last_id = id;
    found.bytes += size;
    bytes_left -= size;
  }
  return found;
}

bool Retention::step() {
  if (config_.retention_ms < 0 && config_.retention_bytes < 0) return false;
  const Droppable droppable = find_droppable();
  if (droppable.bytes == 0) return false;
  Database& database = connection_.database;
  const std::lock_guard lock(files_.write_mutex());
  Transaction transaction(database, Transaction::Kind::write);
  Statement drop = database.prepare("DELETE FROM blocks WHERE id > ? AND id <= ?");
  drop.bind(0, block_id(partition_id_, 0)).bind(1, droppable.last_id).run();
  Statement shrink = database.prepare(
      "UPDATE partitions SET bytes = bytes - ?1, cleaned_bytes = max(0, cleaned_bytes - ?1) WHERE id = ?2");
  shrink.bind(0, droppable.bytes).bind(1, partition_id_).run();
  transaction.commit();
  return true;
}

}  // namespace tiderace
