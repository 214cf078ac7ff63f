#pragma once

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <set>
#include <string>

#include "log/kafka/client.h"
#include "log/kafka/topics.h"

namespace tiderace::kafka {

/// Ends what the owners of partitions have left open when they died. Any thread.
///
/// A member's transactional id stands in the metadata of the offsets that it commits, from its claim until it
/// gives the partition back. To begin as that id ends its transaction and fences it: nothing that its former
/// owner does counts any more.
///
/// A claim is committed with the group's generation, and is pending from the moment when the group has let it
/// through; here claims are read until none is pending. So of two members that were given a partition one
/// after the other, the second sees what the first has claimed, or the first cannot claim any more. That is
/// why later commits need no generation, and a rebalance interrupts nobody.
class Takeover {
 public:
  Takeover(const Connection& connection, Topics& topics) : connection_(connection), topics_(topics) {}

  /// Returns once nobody but `identity` can commit for the partition; false if `cancelled` came before.
  /// Throws BrokerAway.
  bool take_over(const std::string& group, const TopicPartition& partition, const std::string& identity,
                 const std::atomic<bool>& cancelled);

 private:
  /// Once for each id, whoever asks; false if it was done before.
  bool end(const std::string& transactional_id, const std::atomic<bool>& cancelled);
  void fence(const std::string& transactional_id, const std::atomic<bool>& cancelled);

  const Connection& connection_;
  Topics& topics_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::set<std::string> ending_;
  std::set<std::string> ended_;
};

}  // namespace tiderace::kafka
