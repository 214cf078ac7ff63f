#pragma once

#include <memory>
#include <vector>

#include "log/kafka/client.h"
#include "log/log.h"

namespace tiderace::kafka {

/// Of a client that reads partitions outside any group.
[[nodiscard]] Config reader_config(const Connection& connection);

/// Reads one partition outside any group, run by run. One thread at a time.
class PartitionReader {
 public:
  PartitionReader(const Connection& connection, TopicPartition partition);
  ~PartitionReader();

  /// What there is from `offset` on, at most about `max_bytes`; without rows at the end alone. Throws
  /// BrokerAway after half a minute without an answer.
  std::shared_ptr<const Records> read(std::int64_t offset, std::size_t max_bytes);
  [[nodiscard]] const TopicPartition& partition() const noexcept { return partition_; }
  /// Where the next row is read without moving.
  [[nodiscard]] std::int64_t position() const noexcept { return position_; }

 private:
  void move_to(std::int64_t offset);
  [[nodiscard]] bool is_end(std::int64_t offset);

  const TopicPartition partition_;
  BrokerWatch watch_;
  Client client_;
  Queue queue_;
  std::vector<rd_kafka_message_t*> batch_;
  std::int64_t position_ = -1;
  bool at_end_ = false;  ///< the end was reached at `position_`
};

}  // namespace tiderace::kafka
