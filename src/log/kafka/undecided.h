#pragma once

#include <functional>
#include <map>
#include <string>

#include "log/kafka/client.h"
#include "log/log.h"

namespace tiderace::kafka {

/// Says where rows have waited for long for a transaction to be decided: a reader of what is committed is
/// still there, as if nothing came. One thread.
class UndecidedWatch {
 public:
  /// Asks the brokers for the last stable offset of a partition. May throw Error.
  using AskStableEnd = std::function<std::int64_t(const TopicPartition&)>;

  explicit UndecidedWatch(const Connection& connection) : connection_(connection) {}

  /// Whether a second has passed since `look`.
  [[nodiscard]] bool is_due() const;
  /// `reached`: how far each partition of `client` has been read behind whose last row no other came. Writes
  /// a line once rows have waited for longer than Kafka lets a producer by its defaults (70 s), and as often
  /// again.
  void look(rd_kafka_t* client, const std::map<TopicPartition, std::int64_t>& reached,
            const AskStableEnd& ask);

 private:
  struct Wait {
    std::int64_t offset = 0;  ///< the last stable one
    std::int64_t since_ns = 0;
    std::int64_t told_ns = 0;
  };

  void look_at(const TopicPartition& partition, Wait& wait, std::int64_t end, const AskStableEnd& ask);

  const Connection& connection_;
  std::int64_t looked_ns_ = 0;
  std::map<TopicPartition, Wait> waits_;
};

}  // namespace tiderace::kafka
