#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "log/block.h"
#include "log/embedded/database.h"
#include "log/log.h"

namespace tiderace {

/// A topic as it is stored.
struct StoredTopic {
  TopicInfo info;
  std::int64_t first_partition_id = 0;
  /// Throws Error{config} if there is no such partition.
  [[nodiscard]] std::int64_t partition_id(std::int32_t partition) const;
};

/// The tables of the embedded log through one connection, with its statements kept. One thread. No call
/// begins or ends a transaction but where it says so.
class BlockTable {
 public:
  explicit BlockTable(Database& database);

  [[nodiscard]] std::optional<StoredTopic> topic(const std::string& name);
  [[nodiscard]] std::vector<StoredTopic> topics();
  /// The topic must not exist.
  void create_topic(const TopicInfo& topic);

  struct BlockRow {
    std::int64_t id = 0;
    std::int64_t base_offset = 0;
    std::int64_t max_timestamp_ms = 0;
    std::int64_t written_ms = 0;
  };
  void insert_block(const BlockRow& row, std::string_view block);
  /// Writes the closed `blocks` behind the end of a partition. Returns the new end offset.
  std::int64_t append(std::int64_t partition_id, std::vector<BlockBuilder>& blocks, std::int64_t now_ms);
  [[nodiscard]] std::int64_t first_offset(std::int64_t partition_id);
  [[nodiscard]] std::int64_t end_offset(std::int64_t partition_id);
  /// The base offset of the first block with a record of at least `timestamp_ms`; nullopt if there is none.
  [[nodiscard]] std::optional<std::int64_t> first_block_at(std::int64_t partition_id,
                                                           std::int64_t timestamp_ms);
  /// The rows from `offset` on: whole blocks, at least one if there is any and not many more bytes than
  /// `max_bytes`.
  [[nodiscard]] std::shared_ptr<const Records> read(const TopicPartition& partition,
                                                    std::int64_t partition_id, std::int64_t offset,
                                                    std::size_t max_bytes);

  void set_group_offset(const std::string& group, std::int64_t partition_id, std::int64_t offset);
  [[nodiscard]] std::optional<std::int64_t> group_offset(const std::string& group, std::int64_t partition_id);
  /// By partition id.
  [[nodiscard]] std::map<std::int64_t, std::int64_t> group_offsets(const std::string& group);
  [[nodiscard]] std::vector<std::string> groups();

 private:
  Database& database_;
  Statement find_topic_;
  Statement insert_block_;
  Statement find_end_;
  Statement move_end_;
  Statement find_first_;
  Statement find_blocks_;
  Statement set_offset_;
  Statement find_offset_;
};

}  // namespace tiderace
