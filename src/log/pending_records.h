#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "log/block.h"
#include "log/log.h"

namespace tiderace {

/// What a producer was sent and has not made visible yet: blocks by topic and partition, without their
/// offsets. One thread.
class PendingRecords {
 public:
  /// The blocks of one partition, in order, none of them empty.
  using Visit =
      std::function<void(const TopicInfo& topic, std::int32_t partition, std::vector<BlockBuilder>& blocks)>;
  using LookUp = std::function<std::optional<TopicInfo>(const std::string& name)>;

  /// With `tracked` it can tell where each record went.
  explicit PendingRecords(bool tracked = false) : tracked_(tracked) {}

  /// `Producer::send`. `look_up` is asked once for each topic, whose settings never change. After an
  /// exception (unknown topic or partition, a record over the limit) nothing of `records` was taken.
  void add(std::string_view topic, std::span<const ProducerRecord> records, std::int32_t partition,
           const LookUp& look_up);
  /// Every partition that has records, by topic and partition.
  void for_each(const Visit& visit);
  /// Where the records went, in the order of adding, once their partitions end at `ends`.
  [[nodiscard]] std::vector<Placement> placements(const std::map<TopicPartition, std::int64_t>& ends) const;
  [[nodiscard]] bool empty() const noexcept { return used_.empty(); }
  /// Forgets the records; keeps some of the memory for what comes next.
  void clear() noexcept;

 private:
  struct Topic {
    TopicInfo info;
    std::int32_t next_keyless = 0;  ///< the partition of the next run of records without a key
    std::vector<std::vector<BlockBuilder>> blocks;  ///< by partition
  };
  struct Target {
    const Topic* topic = nullptr;
    std::int32_t partition = 0;
    auto operator<=>(const Target&) const = default;
  };

  Topic& topic_of(std::string_view name, const LookUp& look_up);
  BlockBuilder& open_block(Topic& topic, std::int32_t partition);

  std::map<std::string, Topic, std::less<>> topics_;
  std::vector<std::pair<Topic*, std::int32_t>> used_;  ///< the partitions that have records
  std::vector<BlockBuilder> spare_;                    ///< empty builders with memory
  const bool tracked_;
  std::vector<Target> targets_;  ///< of each record, if tracked
};

}  // namespace tiderace
