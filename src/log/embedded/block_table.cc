#include "log/embedded/block_table.h"

#include <algorithm>

#include "base/error.h"
#include "log/embedded/schema.h"
#include "log/topic_rules.h"

namespace tiderace {
namespace {

/// Runs grow by chunks of memory, so that what was read need not move.
constexpr std::size_t chunk_bytes = 1 << 20;

constexpr const char* topic_columns =
    "name, first_partition_id, num_partitions, replication_factor, compacted, retention_ms, retention_bytes, "
    "max_message_bytes";

StoredTopic topic_in(const Statement& row) {
  StoredTopic topic;
  topic.info.name = row.text(0);
  topic.first_partition_id = row.integer(1);
  TopicConfig& config = topic.info.config;
  config.num_partitions = static_cast<std::int32_t>(row.integer(2));
  config.replication_factor = static_cast<std::int16_t>(row.integer(3));
  config.compacted = row.integer(4) != 0;
  config.retention_ms = row.integer(5);
  config.retention_bytes = row.integer(6);
  config.max_message_bytes = row.integer(7);
  return topic;
}

/// The bytes of a run, block behind block.
class RunBytes {
 public:
  /// Copies `block`; the result stays where it is.
  std::string_view add(std::string_view block, std::size_t expected_bytes) {
    if (chunks_.empty() || chunks_.back().capacity() - chunks_.back().size() < block.size()) {
      pad();
      chunks_.emplace_back(std::max(block.size(), std::min(expected_bytes, chunk_bytes)));
    }
    ByteBuffer& chunk = chunks_.back();
    char* at = chunk.data() + chunk.size();
    std::copy(block.begin(), block.end(), at);
    chunk.resize(chunk.size() + block.size());
    return {at, block.size()};
  }
  void pad() noexcept {
    if (!chunks_.empty()) chunks_.back().pad();
  }

 private:
  std::vector<ByteBuffer> chunks_;
};

}  // namespace

std::int64_t StoredTopic::partition_id(std::int32_t partition) const {
  check_partition(info, partition);
  return first_partition_id + partition;
}

BlockTable::BlockTable(Database& database)
    : database_(database),
      find_topic_(database.prepare(fmt::format("SELECT {} FROM topics WHERE name = ?", topic_columns))),
      insert_block_(
          database.prepare("INSERT INTO blocks(id, base_offset, max_timestamp_ms, written_ms, size, block) "
                           "VALUES(?, ?, ?, ?, ?, ?)")),
      find_end_(database.prepare("SELECT end_offset FROM partitions WHERE id = ?")),
      move_end_(database.prepare("UPDATE partitions SET end_offset = ?, bytes = bytes + ? WHERE id = ?")),
      find_first_(
          database.prepare("SELECT base_offset FROM blocks WHERE id > ? AND id <= ? ORDER BY id LIMIT 1")),
      find_blocks_(database.prepare(
          "SELECT id, base_offset, size, block FROM blocks WHERE id > ? AND id <= ? ORDER BY id")),
      set_offset_(
          database.prepare("INSERT INTO group_offsets(name, partition_id, next_offset) VALUES(?, ?, ?) "
                           "ON CONFLICT DO UPDATE SET next_offset = excluded.next_offset")),
      find_offset_(
          database.prepare("SELECT next_offset FROM group_offsets WHERE name = ? AND partition_id = ?")) {}

std::optional<StoredTopic> BlockTable::topic(const std::string& name) {
  find_topic_.bind(0, name);
  if (!find_topic_.step()) return std::nullopt;
  StoredTopic found = topic_in(find_topic_);
  find_topic_.reset();
  return found;
}

std::vector<StoredTopic> BlockTable::topics() {
  std::vector<StoredTopic> found;
  Statement all = database_.prepare(fmt::format("SELECT {} FROM topics ORDER BY name", topic_columns));
  while (all.step()) found.push_back(topic_in(all));
  return found;
}

void BlockTable::create_topic(const TopicInfo& topic) {
  const std::int64_t first = database_.query_integer("SELECT coalesce(max(id) + 1, 0) FROM partitions");
  const TopicConfig& config = topic.config;
  if (first + config.num_partitions > max_partition_id) {
    throw_error(ErrorKind::config,
                "topic {}: an embedded log holds at most {} partitions in all, found {} and wanted {} more",
                topic.name, max_partition_id, first, config.num_partitions);
  }
  Statement insert =
      database_.prepare(fmt::format("INSERT INTO topics({}) VALUES(?, ?, ?, ?, ?, ?, ?, ?)", topic_columns));
  insert.bind(0, topic.name).bind(1, first).bind(2, config.num_partitions).bind(3, config.replication_factor);
  insert.bind(4, config.compacted ? 1 : 0).bind(5, config.retention_ms).bind(6, config.retention_bytes);
  insert.bind(7, config.max_message_bytes).run();
  Statement partition = database_.prepare(
      "INSERT INTO partitions(id, end_offset, bytes, cleaned_to, cleaned_bytes) VALUES(?, 0, 0, 0, 0)");
  for (std::int32_t p = 0; p < config.num_partitions; ++p) partition.bind(0, first + p).run();
}

void BlockTable::insert_block(const BlockRow& row, std::string_view block) {
  insert_block_.bind(0, row.id)
      .bind(1, row.base_offset)
      .bind(2, row.max_timestamp_ms)
      .bind(3, row.written_ms);
  insert_block_.bind(4, static_cast<std::int64_t>(block.size())).bind_bytes(5, block).run();
}

std::int64_t BlockTable::append(std::int64_t partition_id, std::vector<BlockBuilder>& blocks,
                                std::int64_t now_ms) {
  std::int64_t end = end_offset(partition_id);
  std::int64_t bytes = 0;
  for (BlockBuilder& block : blocks) {
    const std::string_view stored = block.stamp(end);
    const std::int64_t next = end + block.offset_span();
    TIDERACE_CHECK(next <= max_offset);
    insert_block({block_id(partition_id, next), end, block.max_timestamp_ms(), now_ms}, stored);
    end = next;
    bytes += static_cast<std::int64_t>(stored.size());
  }
  move_end_.bind(0, end).bind(1, bytes).bind(2, partition_id).run();
  return end;
}

std::int64_t BlockTable::first_offset(std::int64_t partition_id) {
  find_first_.bind(0, block_id(partition_id, 0)).bind(1, block_id(partition_id, max_offset));
  if (!find_first_.step()) return end_offset(partition_id);
  const std::int64_t first = find_first_.integer(0);
  find_first_.reset();
  return first;
}

std::int64_t BlockTable::end_offset(std::int64_t partition_id) {
  if (!find_end_.bind(0, partition_id).step()) {
    throw_error(
        ErrorKind::state,
        "embedded log {}: partition id {} has no row in the table partitions; the file is damaged, restore "
        "the log's directory from a copy",
        database_.path(), partition_id);
  }
  const std::int64_t end = find_end_.integer(0);
  find_end_.reset();
  return end;
}

std::optional<std::int64_t> BlockTable::first_block_at(std::int64_t partition_id, std::int64_t timestamp_ms) {
  Statement find = database_.prepare(
      "SELECT base_offset FROM blocks WHERE id > ? AND id <= ? AND max_timestamp_ms >= ? ORDER BY id LIMIT "
      "1");
  find.bind(0, block_id(partition_id, 0)).bind(1, block_id(partition_id, max_offset)).bind(2, timestamp_ms);
  if (!find.step()) return std::nullopt;
  return find.integer(0);
}

std::shared_ptr<const Records> BlockTable::read(const TopicPartition& partition, std::int64_t partition_id,
                                                std::int64_t offset, std::size_t max_bytes) {
  auto records = std::make_shared<Records>();
  auto bytes = std::make_shared<RunBytes>();
  records->topic = partition.topic;
  records->partition = partition.partition;
  records->next_offset = offset;
  records->padded = true;
  const std::int64_t from = std::clamp<std::int64_t>(offset, 0, max_offset);
  find_blocks_.bind(0, block_id(partition_id, from)).bind(1, block_id(partition_id, max_offset));
  try {
    for (std::size_t taken = 0; (taken == 0 || taken < max_bytes) && find_blocks_.step();) {
      const std::int64_t base_offset = find_blocks_.integer(1);
      const std::string_view block = bytes->add(find_blocks_.bytes(3), max_bytes);
      taken += block.size();
      const auto fault = decode_block(block, base_offset, offset, records->rows);
      if (fault && !records->rows.empty())
        break;  // what is before the damage is good; the next read begins at it
      if (fault) throw_damaged_block(partition.topic, partition.partition, base_offset, *fault);
      records->next_offset = find_blocks_.integer(0) & max_offset;
    }
  } catch (...) {
    find_blocks_.reset();
    throw;
  }
  find_blocks_.reset();
  bytes->pad();
  records->owner = std::move(bytes);
  return records;
}

void BlockTable::set_group_offset(const std::string& group, std::int64_t partition_id, std::int64_t offset) {
  set_offset_.bind(0, group).bind(1, partition_id).bind(2, offset).run();
}

std::optional<std::int64_t> BlockTable::group_offset(const std::string& group, std::int64_t partition_id) {
  if (!find_offset_.bind(0, group).bind(1, partition_id).step()) return std::nullopt;
  const std::int64_t offset = find_offset_.integer(0);
  find_offset_.reset();
  return offset;
}

std::map<std::int64_t, std::int64_t> BlockTable::group_offsets(const std::string& group) {
  std::map<std::int64_t, std::int64_t> offsets;
  Statement all = database_.prepare("SELECT partition_id, next_offset FROM group_offsets WHERE name = ?");
  all.bind(0, group);
  while (all.step()) offsets[all.integer(0)] = all.integer(1);
  return offsets;
}

std::vector<std::string> BlockTable::groups() {
  std::vector<std::string> names;
  Statement all = database_.prepare("SELECT DISTINCT name FROM group_offsets ORDER BY name");
  while (all.step()) names.emplace_back(all.text(0));
  return names;
}

}  // namespace tiderace
