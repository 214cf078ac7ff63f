#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <unordered_map>

#include "log/embedded/embedded_files.h"

namespace tiderace {

/// The newest offset of each key of a part of a partition. Keys are copied, and compared whole.
class NewestOffsets {
 public:
  void note(std::string_view key, std::int64_t offset);
  /// Whether a newer record of `key` than the one at `offset` is known.
  [[nodiscard]] bool is_obsolete(std::string_view key, std::int64_t offset) const;
  /// About the memory that it takes.
  [[nodiscard]] std::size_t bytes() const noexcept { return key_bytes_ + newest_.size() * bytes_per_key; }

 private:
  static constexpr std::size_t bytes_per_key = 64;
  std::unordered_map<std::string_view, std::int64_t> newest_;
  std::deque<std::string> chunks_;  ///< the keys' characters
  std::size_t key_bytes_ = 0;
};

/// One pass over a partition of a compacted topic, taken in steps of about a block.
///
///   begin --(enough is new)--> learn keys of the new part --> rewrite from the first block to the end of
///   that part --> done
///
/// The pass first learns the newest offset of every key in the part that no earlier pass has seen, then goes
/// through the partition from its beginning and leaves out each record of which a newer one is known, and
/// each tombstone that is old enough. Every group of blocks is replaced in a transaction of its own, so a
/// reader finds either the old or the new, and after a crash the next pass begins anew. Offsets do not
/// change. A block keeps its id, the offset behind it, so that reading goes on over the gaps. A tombstone is
/// gone only after all older records of its key are: they stand before it.
class Compaction {
 public:
  Compaction(EmbeddedFiles& files, Connection& connection, const StoredTopic& topic, std::int32_t partition);
  /// Does one step; false if there is no more to do.
  bool step();

 private:
  enum class Phase { begin, learn, rewrite };
  /// Some blocks in a row, from `position_` on.
  struct Group {
    std::int64_t last_id = 0;
    std::int64_t blocks = 0;
    std::int64_t bytes = 0;
    std::int64_t written_ms = 0;  ///< of the newest of them
  };
  bool begin();
  void learn();
  /// False at the end of the pass.
  bool rewrite();
  [[nodiscard]] Group next_group();
  /// Puts the one block of `builder`, if it holds anything, in the place of `group`; false if the group is
  /// not there any more.
  bool replace(const Group& group, BlockBuilder& builder, std::int64_t base_offset);
  [[nodiscard]] bool is_kept(const Record& record, bool written_long_ago) const;
  void finish();

  EmbeddedFiles& files_;
  Connection& connection_;
  const TopicPartition partition_;
  const std::int64_t partition_id_;
  Phase phase_ = Phase::begin;
  NewestOffsets newest_;
  std::int64_t position_ = 0;   ///< the next offset of the phase
  std::int64_t limit_ = 0;      ///< where the pass ends
  std::int64_t newest_ms_ = 0;  ///< the newest timestamp of the new part
  std::int64_t kept_bytes_ = 0;
};

}  // namespace tiderace
