#include <algorithm>

#include "base/logging.h"
#include "runtime/worker.h"

namespace tiderace {

void Worker::announce_swaps(bool ahead) {
  constexpr std::int64_t busy_rows = 100;  // fewer in a report's time can wait for a commit
  constexpr std::int64_t most_rows = 20'000;
  const std::int64_t now = context_.clock->steady_ns();
  bool announced = false;
  for (auto& [partition, assigned] : tasks_) {
    if (!assigned.task || !assigned.task->models().swap_due()) continue;
    const std::int64_t rows = std::min(assigned.rows_a_report, most_rows);
    assigned.task->models().announce(assigned.task->position() + (ahead && rows > busy_rows ? rows : 0), now);
    announced = true;
  }
  if (!announced) return;
  dirty_ = true;
  if (ahead) pace_.hurry(now);
}

void Worker::wait_for_swap(Task& task, std::int64_t last_offset) {
  const auto first = task.models().uncommitted_swap();
  if (!first || last_offset < *first) return;
  end_checkpoint();
  if (task.models().uncommitted_swap()) checkpoint();
}

void Worker::wait_for_model(const TopicPartition& partition, Assigned& assigned, const ModelAway& away) {
  constexpr std::int64_t pause_ns = 1'000'000'000;
  if (std::exchange(assigned.waits_for, away.version()) != away.version()) {
    log(LogLevel::warning, "{} partition {} waits for {}: {}", partition.topic, partition.partition,
        away.version(), away.what());
  }
  const std::int64_t now = context_.clock->steady_ns();
  assigned.next_try_ns = now + pause_ns;
  state_.last_row_ns.store(now, std::memory_order_relaxed);  // waiting is no pause
}

}  // namespace tiderace
