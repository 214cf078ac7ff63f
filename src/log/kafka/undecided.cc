#include "log/kafka/undecided.h"

#include <algorithm>

#include "base/error.h"
#include "base/logging.h"

namespace tiderace::kafka {
namespace {

constexpr std::int64_t between_looks_ns = 1'000'000'000;
/// transaction.timeout.ms is 60 s where nobody sets it, and brokers look every 10 s for those that are over.
constexpr std::int64_t usual_ns = 70'000'000'000;

}  // namespace

bool UndecidedWatch::is_due() const {
  return connection_.clock->steady_ns() - looked_ns_ >= between_looks_ns;
}

void UndecidedWatch::look(rd_kafka_t* client, const std::map<TopicPartition, std::int64_t>& reached,
                          const AskStableEnd& ask) {
  looked_ns_ = connection_.clock->steady_ns();
  std::map<TopicPartition, Wait> waits;
  for (const auto& [partition, offset] : reached) {
    std::int64_t low = 0;
    std::int64_t end = 0;
    const auto code =
        rd_kafka_get_watermark_offsets(client, partition.topic.c_str(), partition.partition, &low, &end);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR || end <= offset) continue;
    const auto found = waits_.find(partition);
    const bool same = found != waits_.end() && found->second.offset == offset;
    Wait& wait = waits[partition];
    wait = same ? found->second : Wait{offset, looked_ns_, 0};
    look_at(partition, wait, end, ask);
  }
  waits_ = std::move(waits);
}

void UndecidedWatch::look_at(const TopicPartition& partition, Wait& wait, std::int64_t end,
                             const AskStableEnd& ask) {
  if (looked_ns_ - std::max(wait.since_ns, wait.told_ns) < usual_ns) return;
  wait.told_ns = looked_ns_;
  try {
    if (ask(partition) > wait.offset) return;  // they are on their way
  } catch (const Error&) {
    return;  // whoever reads meets it, too
  }
  log(LogLevel::warning,
      "{} partition {}: rows from offset {} to {} wait since {} s for a transaction that nobody has "
      "committed or "
      "aborted. Kafka aborts it after its producer's transaction.timeout.ms; whether it outlived that says: "
      "kafka-transactions.sh --bootstrap-server {} find-hanging --topic {}",
      partition.topic, partition.partition, wait.offset, end - 1,
      (looked_ns_ - wait.since_ns) / 1'000'000'000, connection_.address, partition.topic);
}

}  // namespace tiderace::kafka
