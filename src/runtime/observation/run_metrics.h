#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "log/log.h"
#include "runtime/metrics.h"

namespace tiderace {

/// A partition that a worker owns, as it tells of it.
struct PartitionReport {
  TopicPartition partition;
  bool ready = false;              ///< its state is restored, it is read
  std::string waits_for = {};      ///< what it is not read for, if that is no restore
  std::int64_t position = -1;      ///< the next offset to process; -1: not known yet
  std::int64_t end_offset = -1;    ///< of the partition, as far as it was heard of; -1: not yet
  std::uint64_t state_bytes = 0;   ///< of its store
  std::uint64_t memory_bytes = 0;  ///< of its hot state
};

/// A sink of a worker.
struct SinkReport {
  std::string name;
  std::uint64_t rows = 0;    ///< that it has committed
  DurationHistogram commit;  ///< of its commits
  bool waiting = false;      ///< it does not answer
  double waited_seconds = 0;
};

/// What a worker tells of itself several times a second: a copy, so that nobody who looks in from outside
/// reaches into its work.
struct WorkerReport {
  RunCounters counters;
  DurationHistogram latency;     ///< of rows, from their arrival in the process to the hand-over of outputs
  DurationHistogram commit;      ///< of what was sent and of offsets, by the log
  DurationHistogram checkpoint;  ///< the commit, the changes of state before it and the stores after it
  std::uint64_t rebalances = 0;
  std::uint64_t partitions_lost = 0;
  std::uint64_t commits_lost = 0;
  bool joined = false;  ///< the group has said by now which partitions are its own, be it none
  std::vector<PartitionReport> partitions;
  std::vector<SinkReport> sinks;
};

/// Where a worker leaves its reports. `publish` and `finish` by the worker, the rest by any thread.
class WorkerMetrics {
 public:
  void publish(const WorkerReport& report);
  [[nodiscard]] WorkerReport report() const;

  /// Set to the steady clock's nanoseconds at every turn, and while brokers are waited for; 0: no turn yet.
  [[nodiscard]] std::atomic<std::int64_t>& heartbeat_ns() noexcept { return heartbeat_ns_; }
  /// Whether it makes turns: has begun to, and has not ended.
  [[nodiscard]] bool at_work() const noexcept {
    return heartbeat_ns_.load(std::memory_order_relaxed) != 0 && !finished_.load(std::memory_order_relaxed);
  }
  [[nodiscard]] std::int64_t last_turn_ns() const noexcept {
    return heartbeat_ns_.load(std::memory_order_relaxed);
  }
  void finish() noexcept { finished_.store(true, std::memory_order_relaxed); }

 private:
  mutable std::mutex mutex_;
  WorkerReport report_;
  std::atomic<std::int64_t> heartbeat_ns_{0};
  std::atomic<bool> finished_{false};
};

/// How far the restoring of a partition is, in records of its changelog.
struct RestoreReport {
  std::uint64_t restored = 0;
  std::uint64_t total = 0;
};

/// A copy of the state of a partition that another process owns.
struct StandbyReport {
  std::optional<std::int64_t> lag;  ///< offsets of the changelog that it is behind; nullopt: not known yet
  std::uint64_t state_bytes = 0;
};

/// What one run tells to those who look in from outside. Any thread; nobody holds its locks for longer than a
/// copy takes.
class RunMetrics {
 public:
  /// The place of worker `index`, as new.
  [[nodiscard]] std::shared_ptr<WorkerMetrics> add_worker(std::size_t index);
  [[nodiscard]] std::vector<std::shared_ptr<WorkerMetrics>> workers() const;

  /// The partitions that are being restored, each while its `RestoreWatch` lives.
  [[nodiscard]] std::map<TopicPartition, RestoreReport> restores() const;
  /// When one of them last came further, by the steady clock; 0: never.
  [[nodiscard]] std::int64_t last_restore_ns() const;
  [[nodiscard]] std::uint64_t restored_records() const;

  /// The copies, by the input partition that each is for.
  void show_standbys(std::map<TopicPartition, StandbyReport> standbys);
  [[nodiscard]] std::map<TopicPartition, StandbyReport> standbys() const;

  /// A worker has ended with an error, which ends the run.
  void fail(const std::string& reason);
  [[nodiscard]] std::string failure() const;

 private:
  friend class RestoreWatch;
  mutable std::mutex mutex_;
  std::vector<std::shared_ptr<WorkerMetrics>> workers_;
  std::map<TopicPartition, RestoreReport> restores_;
  std::map<TopicPartition, StandbyReport> standbys_;
  std::uint64_t restored_records_ = 0;
  std::int64_t last_restore_ns_ = 0;
  std::string failure_;
};

/// Tells how far a restore is, while it lives. One thread.
class RestoreWatch {
 public:
  /// `total` records of the changelog; `metrics` and `clock` outlive the object.
  RestoreWatch(RunMetrics& metrics, Clock& clock, TopicPartition partition, std::uint64_t total);
  ~RestoreWatch();
  RestoreWatch(const RestoreWatch&) = delete;
  RestoreWatch& operator=(const RestoreWatch&) = delete;

  void reached(std::uint64_t restored) const;

 private:
  RunMetrics& metrics_;
  Clock& clock_;
  const TopicPartition partition_;
};

}  // namespace tiderace
