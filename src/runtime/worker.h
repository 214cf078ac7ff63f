#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "runtime/stage.h"
#include "runtime/task.h"

namespace tiderace {

/// When a run ends by itself.
struct RunLimits {
  bool until_end = false;  ///< at the end that each partition had when it was assigned
  std::optional<std::chrono::nanoseconds> timeout;  ///< so long without a new row
  std::optional<std::uint64_t> count;               ///< rows read, of all workers together
};

/// What the workers of a run share.
struct RunState {
  std::atomic<bool> stop{false};
  std::atomic<std::int64_t> rows_left{INT64_MAX};  ///< of `RunLimits::count`
  std::atomic<std::int64_t> last_row_ns{0};        ///< steady clock; also the end of a restore
};

/// One thread with a consumer, a producer and the tasks of its partitions.
///
///   poll -> process -> (at-least-once: flush) -> every commit interval: checkpoint -> poll ...
///
/// A checkpoint makes state changes, outputs and input offsets visible together, then lets the stores take
/// the changes. Only what is committed is ever in a store, so going back is throwing tasks away.
class Worker {
 public:
  Worker(const RuntimeContext& context, std::vector<std::unique_ptr<Stage>>& stages, const RunLimits& limits,
         RunState& state, int index);

  /// Works until stopped or a limit is reached; ends with a checkpoint. Throws Error: bad_row after
  /// everything before the row is committed; others with nothing committed since the last checkpoint.
  void run();

  [[nodiscard]] const RunCounters& counters() const noexcept { return counters_; }
  [[nodiscard]] const LatencyHistogram& latency() const noexcept { return latency_; }

 private:
  struct Assigned {
    std::unique_ptr<Task> task;
    std::int64_t end_offset = 0;        ///< when it was assigned
    std::int64_t committed_offset = 0;  ///< the input offset of the last checkpoint
    bool is_new = false;                ///< the group has no offset of it yet
    std::vector<Change> initial;        ///< changes that the first checkpoint adds
  };
  /// Outputs that are not visible yet, for the latency.
  struct Pending {
    std::int64_t arrived_ns;
    std::uint64_t rows;
  };

  void take_over(const TopicPartition& partition);
  void give_back(const std::vector<TopicPartition>& partitions);
  void process(const std::shared_ptr<const Records>& records);
  void checkpoint();
  void hand_over();
  [[noreturn]] void stop_before(const TopicPartition& partition, BadRow row);
  [[nodiscard]] std::optional<BadRow> replay(Assigned& assigned, std::int64_t end);
  /// `from`: the input offset to start at; unset: where the state or the group stands. False if `stop` was
  /// set before its state was restored.
  [[nodiscard]] bool make_task(Assigned& assigned, Stage& stage, const TopicPartition& partition,
                               std::optional<std::int64_t> from, const std::atomic<bool>& stop);
  [[nodiscard]] bool reached_limit() const;
  [[nodiscard]] std::chrono::milliseconds poll_timeout() const;
  [[nodiscard]] Stage& stage_of(const std::string& topic) const;

  const RuntimeContext& context_;
  std::vector<std::unique_ptr<Stage>>& stages_;
  const RunLimits& limits_;
  RunState& state_;
  int index_;
  std::unique_ptr<Producer> producer_;  // before the tasks, which use it
  std::unique_ptr<Consumer> consumer_;
  std::map<TopicPartition, Assigned> tasks_;
  RunCounters counters_;
  RunCounters committed_counters_;
  LatencyHistogram latency_;
  std::vector<Pending> pending_;
  bool dirty_ = false;                   ///< something was processed since the last checkpoint
  std::uint64_t uncommitted_bytes_ = 0;  ///< of the records processed since
  std::int64_t next_checkpoint_ns_ = 0;
};

/// The records of `records` before `end`, and no more than `rows` of them.
[[nodiscard]] std::shared_ptr<const Records> cut(const std::shared_ptr<const Records>& records,
                                                 std::int64_t end, std::size_t rows);

}  // namespace tiderace
