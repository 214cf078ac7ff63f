#pragma once

#include "log/embedded/database.h"

namespace tiderace {

// log.db, schema version 1 (application_id 0x54524c47, user_version 1):
//
//   topics         one row a topic; its partitions have the ids first_partition_id, first_partition_id + 1,
//   ... partitions     end_offset: one past the last record ever written. bytes: of all blocks. cleaned_to,
//   cleaned_bytes: how far the
//                  last compaction came (an offset), and the bytes of the blocks below.
//   blocks         id: partition id * 2^47 + the offset behind the block's last record or behind what
//   compaction took away after
//                  it, so that one look-up in one tree finds the block of an offset, and a partition's blocks
//                  lie in their order. block: the bytes that log/block.h describes.
//   group_offsets  the next offset that a group reads of a partition.

constexpr int offset_bits = 47;
constexpr std::int64_t max_offset = (std::int64_t{1} << offset_bits) - 1;
constexpr std::int64_t max_partition_id = 65'535;

/// The id of a partition's block whose next offset is `next_offset`.
[[nodiscard]] constexpr std::int64_t block_id(std::int64_t partition_id, std::int64_t next_offset) noexcept {
  return partition_id << offset_bits | next_offset;
}

/// Makes the tables in a new file and checks those of an old one. To be called by one process at a time. A
/// file of something else, or of another version, throws Error{config}; a damaged one Error{state}.
void prepare_schema(Database& database);

}  // namespace tiderace
