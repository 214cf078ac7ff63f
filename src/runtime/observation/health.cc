#include "runtime/observation/health.h"

#include <fmt/format.h>

#include <algorithm>

namespace tiderace {

Health alive(const RunMetrics& metrics, std::int64_t steady_ns, std::chrono::nanoseconds timeout) {
  if (const std::string failure = metrics.failure(); !failure.empty()) return {false, "failed: " + failure};
  const auto workers = metrics.workers();
  const std::int64_t restored_ns = metrics.last_restore_ns();
  for (std::size_t i = 0; i < workers.size(); ++i) {
    if (!workers[i]->at_work()) continue;
    // Where the log is in this process, a restore is part of a turn.
    const std::chrono::nanoseconds since(steady_ns - std::max(workers[i]->last_turn_ns(), restored_ns));
    if (since <= timeout) continue;
    return {false, fmt::format("worker {} hangs: it has made no turn for {:.1f} s, health_timeout is {:g} s",
                               i, std::chrono::duration<double>(since).count(),
                               std::chrono::duration<double>(timeout).count())};
  }
  return {true, "alive"};
}

Health ready(const RunMetrics& metrics) {
  if (const std::string failure = metrics.failure(); !failure.empty()) return {false, "failed: " + failure};
  const auto workers = metrics.workers();
  if (workers.empty()) return {false, "starting: the topics are looked for"};
  const auto restores = metrics.restores();
  std::size_t partitions = 0;
  for (std::size_t i = 0; i < workers.size(); ++i) {
    const WorkerReport report = workers[i]->report();
    if (!report.joined) return {false, fmt::format("worker {} waits for its group to assign partitions", i)};
    for (const PartitionReport& partition : report.partitions) {
      ++partitions;
      if (partition.ready) continue;
      if (!partition.waits_for.empty())
        return {false, fmt::format("{} partition {} waits for {}", partition.partition.topic,
                                   partition.partition.partition, partition.waits_for)};
      const auto found = restores.find(partition.partition);
      const RestoreReport restore = found == restores.end() ? RestoreReport() : found->second;
      return {false,
              fmt::format("{} partition {} is not restored yet: {} of {} records", partition.partition.topic,
                          partition.partition.partition, restore.restored, restore.total)};
    }
  }
  return {true, fmt::format("ready: {} partitions", partitions)};
}

}  // namespace tiderace
