#include "log/kafka/takeover.h"

#include <algorithm>
#include <thread>

#include "base/error.h"
#include "base/logging.h"

namespace tiderace::kafka {
namespace {

constexpr int first_request_ms = 60;
constexpr int longest_request_ms = 5'000;
/// How long a commit that is being decided is waited for before its owner is taken for dead: a member that
/// has just given the partition back is not to be fenced.
constexpr std::int64_t deciding_ns = 500'000'000;
constexpr std::int64_t longest_ns = 60'000'000'000;
constexpr std::chrono::milliseconds pause{2};

}  // namespace

bool Takeover::take_over(const std::string& group, const TopicPartition& partition,
                         const std::string& identity, const std::atomic<bool>& cancelled) {
  const std::int64_t begin_ns = connection_.clock->steady_ns();
  LongWait wait(begin_ns);
  while (!cancelled.load(std::memory_order_relaxed)) {
    auto claim = topics_.group_offset(group, partition, true);
    const bool decided = claim.has_value();
    if (!decided && connection_.clock->steady_ns() - begin_ns > deciding_ns)
      claim = topics_.group_offset(group, partition, false);
    const bool owned = claim && !claim->metadata.empty() && claim->metadata != identity;
    if (owned && end(claim->metadata, cancelled)) continue;
    if (decided) return true;
    if (const auto waited_s = wait.due(connection_.clock->steady_ns())) {
      log(LogLevel::warning,
          "{} partition {}: a transaction that commits its offset is undecided since {} s; waiting for it",
          partition.topic, partition.partition, *waited_s);
    }
    std::this_thread::sleep_for(pause);
  }
  return false;
}

bool Takeover::end(const std::string& transactional_id, const std::atomic<bool>& cancelled) {
  {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return !ending_.contains(transactional_id); });
    if (ended_.contains(transactional_id)) return false;
    ending_.insert(transactional_id);
  }
  std::exception_ptr failure;
  try {
    fence(transactional_id, cancelled);
  } catch (...) {
    failure = std::current_exception();
  }
  const std::lock_guard lock(mutex_);
  ending_.erase(transactional_id);
  changed_.notify_all();
  if (failure) std::rethrow_exception(failure);
  if (!cancelled.load(std::memory_order_relaxed)) ended_.insert(transactional_id);
  return true;
}

void Takeover::fence(const std::string& transactional_id, const std::atomic<bool>& cancelled) {
  log(LogLevel::info, "Kafka: ending what {} has left open", transactional_id);
  const auto config = [&] {
    return connection_.config({{"transactional.id", transactional_id}}, connection_.options.producer_config);
  };
  BrokerWatch watch(connection_.address, *connection_.clock, Patience{.stop = &cancelled});
  const std::int64_t deadline = connection_.clock->steady_ns() + longest_ns;
  for (int timeout_ms = first_request_ms; !cancelled.load(std::memory_order_relaxed);
       timeout_ms = std::min(2 * timeout_ms, longest_request_ms)) {
    // Anew each time: where a transaction is open the coordinator begins to abort it and says to ask again,
    // which librdkafka does after half a second; by then it is long over.
    const Client former(RD_KAFKA_PRODUCER, config());
    const Failure failure(rd_kafka_init_transactions(former.get(), timeout_ms));
    if (!failure) return;
    const Error error = error_of(failure.get(), "end the transaction of " + transactional_id);
    if (is_permanent(rd_kafka_error_code(failure.get()))) throw Error(error);
    if (rd_kafka_error_is_fatal(failure.get()) != 0 || connection_.clock->steady_ns() > deadline) {
      // Its transaction times out by itself; until then reading waits.
      log(LogLevel::warning, "{}", error.what());
      return;
    }
    watch.waiting(former.get(), "a transaction to end");
  }
}

}  // namespace tiderace::kafka
