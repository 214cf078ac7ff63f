#include "runtime/preparation.h"

#include <thread>

#include "base/logging.h"
#include "runtime/recovery.h"

namespace tiderace {
namespace {

constexpr std::chrono::milliseconds busy_pause{20};

/// The store, once whoever has it open closes it: a worker of this process that has not heard yet that it
/// lost the partition, or a process that stands still.
std::unique_ptr<StateStore> restore_patiently(const RuntimeContext& context, const Stage& stage,
                                              const TopicPartition& partition,
                                              const std::atomic<bool>& cancelled) {
  LongWait wait(context.clock->steady_ns());
  for (;;) {
    try {
      return restore(context, stage, partition, [&] { return cancelled.load(); });
    } catch (const StoreBusy& busy) {
      if (context.log->process().empty()) throw;  // it does not move, so nobody is going to close it
      if (cancelled) return nullptr;
      if (const auto waited_s = wait.due(context.clock->steady_ns())) {
        log(LogLevel::warning, "{} partition {} waits for its state since {} s: {}", partition.topic,
            partition.partition, *waited_s, busy.what());
      }
    }
    std::this_thread::sleep_for(busy_pause);
  }
}

std::optional<Prepared> prepare(const RuntimeContext& context, const Stage& stage, Consumer& consumer,
                                const TopicPartition& partition, const std::string& identity, bool until_end,
                                const std::atomic<bool>& cancelled, std::atomic<bool>& asks_registry) {
  std::int64_t since_ns = context.clock->steady_ns();
  const auto lap_ms = [&] {
    const std::int64_t now_ns = context.clock->steady_ns();
    return static_cast<double>(now_ns - std::exchange(since_ns, now_ns)) / 1e6;
  };
  if (!context.log->take_over(context.options.consumer_group, partition, identity, cancelled))
    return std::nullopt;
  const double take_over_ms = lap_ms();
  Prepared prepared;
  prepared.store = restore_patiently(context, stage, partition, cancelled);
  if (!prepared.store) return std::nullopt;
  const double restore_ms = lap_ms();
  // State knows the input position that it belongs to; under at-least-once it may be ahead of the group's
  // offset.
  const std::int64_t stored = stage.stateful() ? prepared.store->position().input_offset : -1;
  prepared.start = consumer.start_offset(partition, stored >= 0 ? std::optional(stored) : std::nullopt);
  asks_registry = true;
  prepared.models = restore_models(stage, *prepared.store, partition, prepared.start.offset);
  asks_registry = false;
  if (until_end) prepared.end_offset = context.log->written_offset(partition);
  log(LogLevel::debug, "{} partition {}: taken over in {:.1f} ms, restored in {:.1f}, offsets in {:.1f}",
      partition.topic, partition.partition, take_over_ms, restore_ms, lap_ms());
  return prepared;
}

}  // namespace

Preparation::Preparation(const RuntimeContext& context, const Stage& stage, Consumer& consumer,
                         const TopicPartition& partition, std::string identity, bool until_end)
    : result_(std::async(context.restore_threads == 0 ? std::launch::deferred : std::launch::async,
                         [&context, &stage, &consumer, partition, identity = std::move(identity), until_end,
                          cancelled = cancelled_, asks_registry = asks_registry_] {
                           return prepare(context, stage, consumer, partition, identity, until_end,
                                          *cancelled, *asks_registry);
                         })) {}

Preparation::~Preparation() {
  if (!result_.valid()) return;
  if (result_.wait_for(std::chrono::seconds(0)) != std::future_status::deferred) result_.wait();
}

bool Preparation::ended() const {
  return result_.wait_for(std::chrono::seconds(0)) != std::future_status::timeout;
}

}  // namespace tiderace
