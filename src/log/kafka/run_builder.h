#pragma once

#include <librdkafka/rdkafka.h>

#include <memory>
#include <string>
#include <vector>

#include "columnar/records.h"
#include "log/log.h"

namespace tiderace::kafka {

/// Copies messages of one partition into a run. Copying the bytes costs little beside decoding them, lets go
/// of librdkafka's buffers at once (so that its limit on fetched bytes means something) and gives values the
/// padding that the decoder wants.
class RunBuilder {
 public:
  explicit RunBuilder(TopicPartition partition);

  void add(const rd_kafka_message_t& message);
  [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }
  [[nodiscard]] bool empty() const noexcept { return run_->rows.empty(); }
  [[nodiscard]] const TopicPartition& partition() const noexcept { return partition_; }
  [[nodiscard]] std::shared_ptr<const Records> finish(std::int64_t next_offset);

 private:
  const char* keep(const void* bytes, std::size_t size);

  TopicPartition partition_;
  std::shared_ptr<Records> run_;
  std::shared_ptr<std::vector<std::unique_ptr<char[]>>> chunks_;
  char* free_ = nullptr;  ///< the rest of the last chunk, before its padding
  std::size_t free_size_ = 0;
  std::size_t bytes_ = 0;
  std::string headers_;
};

}  // namespace tiderace::kafka
