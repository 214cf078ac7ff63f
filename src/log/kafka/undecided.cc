#include "log/kafka/undecided.h"

#include <algorithm>

#include "base/error.h"
#include "base/logging.h"

namespace tiderace::kafka {
namespace {

constexpr std::int64_t second_ns = 1'000'000'000;
/// transaction.timeout.ms is 60 s where nobody sets it, and brokers look every 10 s for those that are over.
constexpr std::int64_t usual_ns = 70 * second_ns;
constexpr std::int64_t between_lines_ns = 600 * second_ns;

}  // namespace

bool UndecidedWatch::is_due() const {
  return connection_.clock->steady_ns() - looked_ns_ >= second_ns;
}

UndecidedWatch::Waits UndecidedWatch::waits_of(rd_kafka_t* client,
                                               const std::map<TopicPartition, std::int64_t>& reached) const {
  Waits waits;
  for (const auto& [partition, offset] : reached) {
    std::int64_t low = 0;
    std::int64_t end = 0;
    const auto code =
        rd_kafka_get_watermark_offsets(client, partition.topic.c_str(), partition.partition, &low, &end);
    const bool known = code == RD_KAFKA_RESP_ERR_NO_ERROR && end >= 0;
    const auto found = waits_.find(partition);
    const bool waited = found != waits_.end() && found->second.offset == offset;
    if (known ? end > offset : waited)
      waits.emplace(partition, waited ? found->second : Wait{offset, looked_ns_});
  }
  return waits;
}

void UndecidedWatch::look(rd_kafka_t* client, const std::map<TopicPartition, std::int64_t>& reached,
                          const AskStableEnd& ask) {
  looked_ns_ = connection_.clock->steady_ns();
  waits_ = waits_of(client, reached);
  const auto longest = std::ranges::min_element(
      waits_, {}, [](const Waits::value_type& each) { return each.second.since_ns; });
  if (longest == waits_.end() || looked_ns_ < silent_until_ns_) return;
  auto& [partition, wait] = *longest;
  if (looked_ns_ - wait.since_ns < usual_ns) return;
  std::int64_t silence_ns = usual_ns;
  try {
    if (ask(partition) > wait.offset) {  // its rows are on their way
      wait.since_ns = looked_ns_;
      return;
    }
    tell(partition, wait);
    silence_ns = between_lines_ns;
  } catch (const Error&) {  // whoever reads meets it, too
  }
  silent_until_ns_ = connection_.clock->steady_ns() + silence_ns;
}

void UndecidedWatch::tell(const TopicPartition& partition, const Wait& wait) const {
  const auto others = std::ranges::count_if(waits_, [&](const Waits::value_type& each) {
    return each.first != partition && looked_ns_ - each.second.since_ns >= usual_ns;
  });
  log(LogLevel::warning,
      "{} partition {}{}: rows from offset {} on wait since {} s for a transaction that nobody has committed "
      "or "
      "aborted. Kafka aborts it after its producer's transaction.timeout.ms; whether it outlived that says: "
      "kafka-transactions.sh --bootstrap-server {} find-hanging --topic {} --max-transaction-timeout 1",
      partition.topic, partition.partition,
      others == 0 ? "" : fmt::format(" (and {} more partitions)", others), wait.offset,
      (looked_ns_ - wait.since_ns) / second_ns, connection_.address, partition.topic);
}

}  // namespace tiderace::kafka
