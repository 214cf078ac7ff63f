#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "runtime/commit_pace.h"
#include "runtime/observation/run_metrics.h"
#include "runtime/preparation.h"
#include "runtime/sinks/worker_sinks.h"
#include "runtime/stage.h"
#include "runtime/task.h"

namespace tiderace {

/// Everything is committed, and tasks are to be made anew to go on.
class Resumed : public Error {
 public:
  explicit Resumed(const Error& error) : Error(error) {}
};

/// When a run ends by itself.
struct RunLimits {
  bool until_end = false;  ///< at the end that each partition had when it was assigned
  std::optional<std::chrono::nanoseconds> timeout;  ///< so long without a new row
  std::optional<std::uint64_t> count;               ///< rows read, of all workers together
};

/// What the workers of a run share.
struct RunState {
  std::atomic<bool> stop{false};
  std::atomic<std::int64_t> rows_left{INT64_MAX};     ///< of `RunLimits::count`
  std::atomic<std::int64_t> last_row_ns{0};           ///< steady clock; also the end of a restore
  std::atomic<int> at_limit{0};                       ///< workers that have reached a limit
  std::vector<std::unique_ptr<Feeder>> feeders = {};  ///< set before workers begin
};

/// One thread with a consumer, a producer and the tasks of its partitions.
///
///   poll -> process -> (at-least-once: flush) -> every commit interval: checkpoint -> poll ...
///
/// A checkpoint first lets the sinks commit, which the worker waits for no more than it has to, then makes
/// state changes, outputs and input offsets visible together, then lets the stores take the changes. Only
/// what is committed is ever in a store, so going back is throwing tasks away. Under at-least-once, rows do
/// not wait for it: what they change goes into the next one.
///
/// A partition that the group assigns is prepared beside the others, claimed, and started. One that is
/// revoked is checkpointed and given back; one that is lost is thrown away.
class Worker {
 public:
  Worker(const RuntimeContext& context, std::vector<std::unique_ptr<Stage>>& stages, const RunLimits& limits,
         RunState& state, int index);
  ~Worker();

  /// Works until stopped or a limit is reached; ends with a checkpoint. Throws Error: bad_row after
  /// everything before the row is committed; others with nothing committed since the last checkpoint.
  void run();

  [[nodiscard]] const RunCounters& counters() const noexcept { return counters_; }
  [[nodiscard]] const LatencyHistogram& latency() const noexcept { return latency_; }
  [[nodiscard]] WorkerMetrics& metrics() const noexcept { return *metrics_; }

 private:
  /// A partition of this member's, on its way: assigned -> `preparation` -> `prepared` -> claimed -> `task`.
  struct Assigned {
    std::unique_ptr<Preparation> preparation;  ///< null: its turn has not come, or is over
    std::optional<Prepared> prepared;          ///< until it is claimed
    bool sinks_open = false;                   ///< `prepared` begins where the sinks want it
    std::unique_ptr<Task> task;                ///< once it is started
    std::int64_t end_offset = -1;              ///< in runs until the end: when it was first prepared
    bool fed = false;                          ///< a source brings more rows: `end_offset` is not known yet
    std::int64_t heard_end = -1;               ///< the last that the consumer has heard of, for metrics
    std::int64_t committed_offset = -1;        ///< the input offset of the last checkpoint, or of the claim
    std::int64_t reported = 0;                 ///< the position in the last report
    std::int64_t rows_a_report = 0;            ///< offsets from the report before to that one
    std::int64_t next_try_ns = 0;              ///< of its preparation
    std::string waits_for;                     ///< what that waits for, for those who look in from outside
    bool is_new = false;                       ///< the group has no offset of it yet
    bool left_out = false;                     ///< `count` has left out rows behind where its task is
    std::vector<Change> initial;               ///< changes that the first checkpoint adds
  };
  /// Outputs that are not visible yet, for the latency.
  struct Pending {
    std::int64_t arrived_ns;
    std::uint64_t rows;
  };
  /// A checkpoint that is under way: the sinks, then the log decide on it, and the worker goes on where it
  /// may.
  struct Checkpoint {
    std::int64_t begin_ns = 0;
    std::int64_t commit_ns = 0;  ///< when the log was asked
    bool asked = false;          ///< the log
    std::vector<OffsetCommit> offsets;
    /// Whose changes of state are in it, and the changes.
    std::vector<std::pair<Assigned*, const std::vector<Change>*>> flushed;
    std::vector<Pending> pending;  ///< what becomes visible with it
    RunCounters counters;
  };

  void open();
  [[nodiscard]] std::vector<TopicPartition> partitions() const;
  /// One turn of the loop; true if the run has reached a limit.
  bool turn();
  /// Prepares partitions that are not, some at a time.
  void prepare();
  /// What the preparation has come to; false if it has to be done again.
  [[nodiscard]] bool take_prepared(const TopicPartition& partition, Assigned& assigned);
  /// Whether the sinks have said where a prepared partition begins.
  [[nodiscard]] bool open_sinks(const TopicPartition& partition, Assigned& assigned);
  /// Claims and starts what is prepared.
  void start_prepared();
  /// A partition that is not this member's any more: its preparation ends in its own time.
  void forget(const TopicPartition& partition);
  /// Reads again what `count` has left out.
  void take_up_left_out();
  /// Partitions that came and went: those revoked are committed first, whether that works or not they are
  /// gone.
  void change_members(const PollResult& result);
  /// Says at which offset versions of models that were tried take over. `ahead`: where rows come fast, so far
  /// ahead that it is committed by then. Outputs are visible before their checkpoint then, and after a crash
  /// the same rows must not get values of a version before.
  void announce_swaps(bool ahead);
  /// Before rows up to `last_offset`: until what they are scored by is committed.
  void wait_for_swap(Task& task, std::int64_t last_offset);
  /// All tasks back to the last commit, with a new producer.
  void go_back(const Error& reason);
  /// A version of a model that a prepared partition needs cannot be had: the partition is tried again later.
  void wait_for_model(const TopicPartition& partition, Assigned& assigned, const ModelAway& away);
  [[nodiscard]] std::unique_ptr<Producer> new_producer() const;
  void process(const std::shared_ptr<const Records>& records);
  void reach(const TopicPartition& partition, std::int64_t offset);
  /// From beginning to end, after the one that is under way. Partitions of `given_back` are let go of with
  /// it.
  void checkpoint(const std::vector<TopicPartition>& given_back = {});
  void begin_checkpoint(const std::vector<TopicPartition>& given_back = {});
  /// Once the sinks have committed.
  void ask_log(Checkpoint& checkpoint);
  /// Waits for the one that is under way, if there is one.
  void end_checkpoint();
  /// The same before all tasks go back: takes it back where the log does not decide on it yet.
  void give_up_checkpoint();
  /// Whether the one that has begun has to be waited for before more is processed.
  [[nodiscard]] bool has_to_wait() const;
  /// Bytes of hot state, of all partitions.
  [[nodiscard]] std::size_t state_memory() const;
  void trim_state();
  void send_changes(Task& task, const std::vector<Change>& changes);
  /// Lets outputs out; at once where the rows that they are of are not `behind` others.
  void hand_over(bool behind);
  /// These outputs are visible by now.
  void note_latency(std::vector<Pending>& pending);
  /// Tells those who look in from outside how it is, some times a second.
  void report();
  /// Commits what comes before `row` and throws it; or, where another version of a model takes it, that this
  /// version takes over there, and throws Resumed.
  [[noreturn]] void stop_before(const TopicPartition& partition, BadRow row);
  [[noreturn]] void end_or_resume(const TopicPartition& partition, BadRow row);
  /// Lets the task of `partition` end before `row`, or one before it that turns out bad on the way. All
  /// others have none then.
  [[nodiscard]] Mended end_before(const TopicPartition& partition, BadRow& row);
  [[nodiscard]] std::optional<BadRow> replay(Assigned& assigned, std::int64_t end);
  void start(const TopicPartition& partition, Assigned& assigned, Prepared prepared);
  [[nodiscard]] bool reached_limit() const;
  /// In runs until the end: the end of a topic that a source feeds is known once that is done.
  void find_fed_ends();
  /// Whether all workers have reached a limit: one that left early would give the others its partitions.
  [[nodiscard]] bool all_reached_limit();
  [[nodiscard]] std::chrono::milliseconds poll_timeout() const;
  [[nodiscard]] Stage& stage_of(const std::string& topic) const;

  const RuntimeContext& context_;
  std::vector<std::unique_ptr<Stage>>& stages_;
  const RunLimits& limits_;
  RunState& state_;
  int index_;
  std::unique_ptr<Consumer> consumer_;  // before the producer, which commits its offsets
  std::unique_ptr<Producer> producer_;  // before the tasks, which use it
  WorkerSinks sinks_;                   // the same
  std::map<TopicPartition, Assigned> tasks_;
  std::multimap<TopicPartition, std::unique_ptr<Preparation>> ending_;  ///< cancelled, and still at it
  RunCounters counters_;
  RunCounters committed_counters_;
  LatencyHistogram latency_;
  std::shared_ptr<WorkerMetrics> metrics_;
  WorkerReport report_;  ///< the next one, in the making
  std::int64_t next_report_ns_ = 0;
  std::vector<Pending> pending_;
  std::optional<Checkpoint> under_way_;
  bool left_out_ = false;                ///< of a partition
  bool joined_ = false;                  ///< the group has assigned partitions, be it none
  bool preparing_ = false;               ///< some preparation goes on
  bool opening_ = false;                 ///< some sink has been asked, and is not away
  bool at_limit_ = false;                ///< counted in `RunState::at_limit`
  int failures_ = 0;                     ///< commits lost one after the other
  bool behind_ = true;                   ///< more rows waited wherever some of these were read
  bool dirty_ = false;                   ///< something was processed since the last checkpoint began
  std::uint64_t uncommitted_bytes_ = 0;  ///< of the records processed since
  CommitPace pace_;
};

/// The records of `records` before `end`, and no more than `rows` of them.
[[nodiscard]] std::shared_ptr<const Records> cut(const std::shared_ptr<const Records>& records,
                                                 std::int64_t end, std::size_t rows);

}  // namespace tiderace
