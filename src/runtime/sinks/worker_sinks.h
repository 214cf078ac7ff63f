#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "operators/lower.h"
#include "runtime/observation/run_metrics.h"
#include "runtime/sinks/sink_session.h"
#include "runtime/stage.h"

namespace tiderace {

/// What the log knows of a partition that a sink is opened for.
struct SinkStart {
  StartOffset start;                ///< where the group would begin
  std::int64_t first_offset = 0;    ///< that the log still has
  std::int64_t written_offset = 0;  ///< one past the last that was written
};

/// All sinks of one worker: a session each, shared by its tasks. The worker's thread.
///
/// A sink commits before the log does, so what it has is never behind what the group has committed. Where it
/// is ahead (the log's commit was lost, or another member had begun), rows are read again and left out at the
/// sink.
class WorkerSinks {
 public:
  /// All of it outlives the object. `waiting` is called now and then while a commit is waited for.
  WorkerSinks(const RuntimeContext& context, const std::vector<std::unique_ptr<Stage>>& stages,
              const std::atomic<bool>& stop, std::function<void()> waiting);

  [[nodiscard]] bool empty() const noexcept { return sessions_.empty(); }
  [[nodiscard]] bool has(const Stage& stage) const { return stages_.contains(&stage); }

  /// Where a partition has to be read from, once each sink of its stage has said what it has; nullopt until
  /// then. `known` is called when it is needed. Throws Error{state} where a sink does not belong to this log,
  /// or lacks rows that the group will not read again.
  [[nodiscard]] std::optional<std::int64_t> open(const Stage& stage, const TopicPartition& partition,
                                                 const std::function<SinkStart()>& known);
  void forget(const TopicPartition& partition);
  /// The way into `sink` for the task of a partition that is open, which begins at `start`.
  [[nodiscard]] SinkPort port(const SinkConnector& sink, const TopicPartition& partition, std::int64_t start);

  /// Commits what was taken, with the positions that tasks of `stages` have come to.
  struct Moved {
    const Stage* stage;
    TopicPartition partition;
    std::int64_t position;
  };
  void begin_commit(std::span<const Moved> moved);
  [[nodiscard]] bool commit_ended() const;
  /// Throws SinkLost and Error, of the first that failed; all have ended then.
  void end_commit();
  /// Forgets what was taken since the last commit; offsets stay as they are.
  void forget_taken() noexcept;
  /// Back to the last commit, whichever that was: every partition has to be opened again.
  void abort() noexcept;

  /// What is waited for, for readiness; empty: nothing.
  [[nodiscard]] std::string waits_for(const Stage& stage) const;
  void report(std::vector<SinkReport>& reports) const;

 private:
  struct Session {
    const SinkConnector* sink;
    std::unique_ptr<SinkSession> session;
    std::map<SinkPartition, std::optional<std::int64_t>> offsets;  ///< that it has
    std::vector<SinkCommit> under_way;
    std::uint64_t taken = 0;        ///< rows, since the last commit began
    std::uint64_t handed_over = 0;  ///< rows of the commit that is under way
    SinkReport report;
  };

  [[nodiscard]] Session& session_of(const SinkConnector& sink);
  [[nodiscard]] std::int64_t begin_at(const Session& session, const TopicPartition& partition,
                                      std::optional<std::int64_t> has, const SinkStart& known) const;

  const RuntimeContext& context_;
  const std::function<void()> waiting_;
  std::vector<Session> sessions_;
  std::map<const Stage*, std::vector<const SinkConnector*>> stages_;
};

}  // namespace tiderace
