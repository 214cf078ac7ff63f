#include "log/embedded/maintenance/compaction.h"

#include <algorithm>
#include <limits>

#include "base/logging.h"
#include "log/embedded/schema.h"

namespace tiderace {
namespace {

constexpr std::size_t step_bytes = block_target_bytes;
/// Keys beyond this wait for the next pass.
constexpr std::size_t max_newest_bytes = 64 << 20;
/// Blocks smaller than this on average are put together also where nothing is obsolete.
constexpr std::int64_t small_block_bytes = 128 << 10;
constexpr std::size_t key_chunk_bytes = 256 << 10;

std::optional<std::string_view> bytes_of(const char* bytes, std::uint32_t size) {
  if (bytes == nullptr) return std::nullopt;
  return std::string_view(bytes, size);
}

}  // namespace

void NewestOffsets::note(std::string_view key, std::int64_t offset) {
  if (const auto found = newest_.find(key); found != newest_.end()) {
    found->second = offset;
    return;
  }
  if (chunks_.empty() || chunks_.back().capacity() - chunks_.back().size() < key.size()) {
    chunks_.emplace_back().reserve(std::max(key.size(), key_chunk_bytes));
  }
  std::string& chunk = chunks_.back();
  const char* at = chunk.data() + chunk.size();
  chunk += key;
  key_bytes_ += key.size();
  newest_.emplace(std::string_view(at, key.size()), offset);
}

bool NewestOffsets::is_obsolete(std::string_view key, std::int64_t offset) const {
  const auto found = newest_.find(key);
  return found != newest_.end() && found->second > offset;
}

Compaction::Compaction(EmbeddedFiles& files, Connection& connection, const StoredTopic& topic,
                       std::int32_t partition)
    : files_(files),
      connection_(connection),
      partition_{topic.info.name, partition},
      partition_id_(topic.partition_id(partition)),
      newest_ms_(std::numeric_limits<std::int64_t>::min()) {}

bool Compaction::step() {
  switch (phase_) {
    case Phase::begin:
      return begin();
    case Phase::learn:
      learn();
      return true;
    case Phase::rewrite:
      return rewrite();
  }
  return false;
}

bool Compaction::begin() {
  Statement find = connection_.database.prepare(
      "SELECT end_offset, bytes, cleaned_to, cleaned_bytes FROM partitions WHERE id = ?");
  if (!find.bind(0, partition_id_).step()) return false;
  const std::int64_t new_bytes = find.integer(1) - find.integer(3);
  if (new_bytes < std::max(files_.options().min_compaction_bytes, find.integer(3))) return false;
  limit_ = find.integer(0);
  position_ = find.integer(2);
  phase_ = Phase::learn;
  return true;
}

void Compaction::learn() {
  const auto records = connection_.table.read(partition_, partition_id_, position_, step_bytes);
  for (const Record& record : records->rows) {
    newest_ms_ = std::max(newest_ms_, record.timestamp_ms);
    if (record.key != nullptr) newest_.note(record.key_view(), record.offset);
  }
  const bool at_end = records->next_offset == position_;
  position_ = records->next_offset;
  if (newest_.bytes() >= max_newest_bytes) limit_ = position_;
  if (!at_end && position_ < limit_) return;
  limit_ = position_;
  position_ = 0;
  phase_ = Phase::rewrite;
}

bool Compaction::is_kept(const Record& record, bool written_long_ago) const {
  if (record.key == nullptr) return true;
  if (newest_.is_obsolete(record.key_view(), record.offset)) return false;
  // Both times have to be past: a replay of old data makes a day of records in seconds, and a reader may
  // still be before the tombstone; and records may carry times of the future.
  const bool expired = record.timestamp_ms < newest_ms_ - files_.options().tombstone_retention.count();
  return record.value != nullptr || !(expired && written_long_ago);
}

Compaction::Group Compaction::next_group() {
  // Blocks of one group become one block, with the time of the newest. Only those written about the same time
  // are put together, or a tombstone would grow younger with every pass.
  const std::int64_t span_ms = std::max<std::int64_t>(1, files_.options().tombstone_retention.count() / 8);
  Statement blocks = connection_.database.prepare(
      "SELECT id, size, written_ms FROM blocks WHERE id > ? AND id <= ? ORDER BY id");
  blocks.bind(0, block_id(partition_id_, position_)).bind(1, block_id(partition_id_, limit_));
  Group group;
  while (group.bytes < static_cast<std::int64_t>(step_bytes) && blocks.step()) {
    const std::int64_t written_ms = blocks.integer(2);
    if (group.blocks > 0 && written_ms / span_ms != group.written_ms / span_ms) break;
    group.last_id = blocks.integer(0);
    group.bytes += blocks.integer(1);
    group.written_ms = std::max(group.written_ms, written_ms);
    ++group.blocks;
  }
  return group;
}

bool Compaction::rewrite() {
  const Group group = position_ < limit_ ? next_group() : Group{};
  if (group.blocks == 0) {
    finish();
    return false;
  }
  const auto records =
      connection_.table.read(partition_, partition_id_, position_, static_cast<std::size_t>(group.bytes));
  if (records->next_offset != (group.last_id & max_offset)) return false;  // see `replace`
  const bool written_long_ago =
      group.written_ms < files_.clock().wall_ms() - files_.options().tombstone_retention.count();
  BlockBuilder builder;
  std::int64_t base_offset = 0;
  std::int64_t expected = 0;
  for (const Record& record : records->rows) {
    if (!is_kept(record, written_long_ago)) continue;
    if (builder.count() == 0) base_offset = expected = record.offset;
    builder.add(bytes_of(record.key, record.key_size), bytes_of(record.value, record.value_size),
                record.headers_view(), record.timestamp_ms,
                static_cast<std::uint64_t>(record.offset - expected));
    expected = record.offset + 1;
  }
  const bool unchanged = builder.count() == records->rows.size();
  if (!unchanged || (group.blocks > 1 && group.bytes / group.blocks < small_block_bytes)) {
    if (!replace(group, builder, base_offset)) return false;
  } else {
    kept_bytes_ += group.bytes;
  }
  position_ = records->next_offset;
  return true;
}

bool Compaction::replace(const Group& group, BlockBuilder& builder, std::int64_t base_offset) {
  Database& database = connection_.database;
  if (builder.count() > 0) builder.close();
  const std::lock_guard lock(files_.write_mutex());
  Transaction transaction(database, Transaction::Kind::write);
  Statement drop = database.prepare("DELETE FROM blocks WHERE id > ? AND id <= ?");
  drop.bind(0, block_id(partition_id_, position_)).bind(1, group.last_id).run();
  // The lock on maintenance keeps others away. Should they have been here all the same: the next pass sees
  // what there is.
  if (database.changes() != group.blocks) return false;
  std::int64_t size = 0;
  if (builder.count() > 0) {
    const std::string_view stored = builder.stamp(base_offset);
    size = static_cast<std::int64_t>(stored.size());
    connection_.table.insert_block({group.last_id, base_offset, builder.max_timestamp_ms(), group.written_ms},
                                   stored);
  }
  Statement resize = database.prepare("UPDATE partitions SET bytes = bytes + ? WHERE id = ?");
  resize.bind(0, size - group.bytes).bind(1, partition_id_).run();
  transaction.commit();
  kept_bytes_ += size;
  return true;
}

void Compaction::finish() {
  Database& database = connection_.database;
  const std::lock_guard lock(files_.write_mutex());
  Transaction transaction(database, Transaction::Kind::write);
  Statement note = database.prepare("UPDATE partitions SET cleaned_to = ?, cleaned_bytes = ? WHERE id = ?");
  note.bind(0, limit_).bind(1, kept_bytes_).bind(2, partition_id_).run();
  transaction.commit();
  log(LogLevel::debug, "topic {} partition {}: compacted up to offset {}, {} bytes remain", partition_.topic,
      partition_.partition, limit_, kept_bytes_);
}

}  // namespace tiderace
