#pragma once

#include <functional>
#include <map>

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
  /// a line once rows have waited for longer than Kafka lets a producer by its defaults (70 s), and every ten
  /// minutes from then on, one for all partitions. Asks for one of them at most, since who looks has other
  /// work.
  void look(rd_kafka_t* client, const std::map<TopicPartition, std::int64_t>& reached,
            const AskStableEnd& ask);

 private:
  struct Wait {
    std::int64_t offset = 0;  ///< the last stable one
    std::int64_t since_ns = 0;
  };
  using Waits = std::map<TopicPartition, Wait>;

  [[nodiscard]] Waits waits_of(rd_kafka_t* client,
                               const std::map<TopicPartition, std::int64_t>& reached) const;
  void tell(const TopicPartition& partition, const Wait& wait) const;

  const Connection& connection_;
  std::int64_t looked_ns_ = 0;
  std::int64_t silent_until_ns_ = 0;
  Waits waits_;
};

}  // namespace tiderace::kafka
