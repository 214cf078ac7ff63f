#pragma once

#include "log/embedded/embedded_files.h"

namespace tiderace {

/// Drops the oldest blocks of a partition while all their records are older than `retention_ms`, or the rest
/// is no smaller than `retention_bytes`. Never the newest block. The file does not shrink; what comes next
/// uses the room.
class Retention {
 public:
  Retention(EmbeddedFiles& files, Connection& connection, const StoredTopic& topic, std::int32_t partition);
  /// Drops some blocks in one transaction; false if there was nothing to drop.
  bool step();

 private:
  struct Droppable {
    std::int64_t last_id = 0;
    std::int64_t bytes = 0;
  };
  [[nodiscard]] Droppable find_droppable();

  EmbeddedFiles& files_;
  Connection& connection_;
  const TopicConfig config_;
  const std::int64_t partition_id_;
};

}  // namespace tiderace
