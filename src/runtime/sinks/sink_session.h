#pragma once

#include <atomic>
#include <condition_variable>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "plan/sink.h"

namespace tiderace {

/// How a sink is doing, for those who look in from outside.
struct SinkState {
  bool waiting = false;  ///< it does not answer, or not as it should
  std::string reason;    ///< of the waiting
  double waited_seconds = 0;
};

/// One worker's way to one sink, with a thread of its own: opening and committing wait for somebody else's
/// machine, and the worker goes on with what does not. While the sink is away the thread tries again, from a
/// tenth of a second to five seconds apart, says so every 10 s, and the worker hears nothing.
///
/// The methods are the worker's; `state` any thread's.
class SinkSession {
 public:
  /// `stop` and `clock` outlive it.
  SinkSession(const SinkConnector& sink, std::string group, const std::atomic<bool>& stop, Clock& clock);
  /// Ends a call that is under way.
  ~SinkSession();
  SinkSession(const SinkSession&) = delete;
  SinkSession& operator=(const SinkSession&) = delete;

  /// Asks for the offset of a partition, unless that was asked before.
  void ask(const SinkPartition& partition);
  /// The answer, once it is there: what the sink has, or that it has nothing. Throws Error where it never
  /// will be.
  [[nodiscard]] std::optional<std::optional<std::int64_t>> answer(const SinkPartition& partition);
  /// The partition is not this member's any more.
  void forget(const SinkPartition& partition);

  [[nodiscard]] SinkWriter& writer() noexcept { return *writer_; }
  /// Commits what the writer has taken by now, with `offsets`.
  void begin_commit(std::vector<SinkCommit> offsets);
  /// Whether `end_commit` will not wait.
  [[nodiscard]] bool commit_ended() const;
  /// Waits for the commit; some seconds only once the run is to stop. `waiting` is called now and then.
  /// Throws what the commit threw.
  void end_commit(const std::function<void()>& waiting);
  /// Back to the last commit: a call that is under way is ended, what was taken is forgotten, and so is what
  /// the sink has said. Offsets have to be asked for again.
  void abort() noexcept;
  /// How long the last commit took.
  [[nodiscard]] std::int64_t commit_ns() const noexcept { return commit_ns_; }

  [[nodiscard]] SinkState state() const;

 private:
  struct Commit {
    std::vector<SinkCommit> offsets;
    bool ended = false;
    std::exception_ptr failure;
  };

  struct Question {
    std::uint64_t number = 0;  ///< an answer to the one before is none to this
    std::optional<std::optional<std::int64_t>> answer = {};
  };

  void work();
  void open(std::unique_lock<std::mutex>& lock);
  void commit(std::unique_lock<std::mutex>& lock);
  void note_away(const std::string& reason);
  void note_answer();
  /// Partitions, and the number of the question.
  [[nodiscard]] std::map<SinkPartition, std::uint64_t> unanswered() const;

  const SinkConnector& sink_;
  const std::string group_;
  const std::atomic<bool>& stop_;
  Clock& clock_;
  std::atomic<bool> cancelled_{false};
  std::unique_ptr<SinkWriter> writer_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool quit_ = false;
  bool busy_ = false;  ///< a call is under way
  std::map<SinkPartition, Question> asked_;
  std::uint64_t questions_ = 0;
  std::uint64_t aborts_ = 0;
  std::exception_ptr failure_;  ///< no offset will ever be told
  std::optional<Commit> commit_;
  std::int64_t commit_ns_ = 0;
  std::int64_t away_since_ns_ = 0;  ///< 0: it is not
  std::int64_t told_ns_ = 0;
  std::int64_t away_ns_ = 0;  ///< of the times before
  std::string reason_;
  int attempts_ = 0;
  std::thread thread_;  // last: it uses the rest
};

}  // namespace tiderace
