#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "log/log.h"
#include "operators/model/model_use.h"
#include "runtime/stage.h"
#include "state/store.h"

namespace tiderace {

/// From `since` on, an input offset, a partition's rows are scored by `version`.
struct VersionSince {
  std::int64_t since = 0;
  std::string version;
  bool operator==(const VersionSince&) const = default;
};

/// The versions of one model that a partition was scored by, the latest last: what the state has under the
/// head record of `ResolvedModel::state`, with an empty key (see `state/state_key.h`). So many of them are
/// kept; who goes back further gets the earliest.
///
///     version (1 byte, 1) · for each: offset (varint, zigzag) · length (varint) and bytes of the version
constexpr std::size_t versions_kept = 16;
[[nodiscard]] Change versions_change(const std::string& state, std::span<const VersionSince> versions);
/// What the store has; empty if it has none. Throws Error{state} if it is damaged.
[[nodiscard]] std::vector<VersionSince> read_versions(const std::string& state, StateStore& store);

/// What a task begins with of one model.
struct RestoredModel {
  std::vector<VersionSince> versions;  ///< as the state has them; empty: none yet
  std::vector<LoadedModelPtr> loaded;  ///< of those that count from the task's offset on, in order
  /// What the registry was asked before then is no news to this partition: another process may know better.
  std::chrono::steady_clock::time_point asked{};
};

/// Thrown where a registry does not give a version that a partition needs: waiting may help.
class ModelAway : public BrokerAway {
 public:
  ModelAway(const Error& error, std::string version) : BrokerAway(error), version_(std::move(version)) {}
  /// `version 3 of models:/shaking@champion`
  [[nodiscard]] const std::string& version() const noexcept { return version_; }

 private:
  std::string version_;
};

/// A version that takes the rows at which a task stops.
struct Mended {
  std::size_t model = 0;  ///< of the stage
  LoadedModelPtr by;      ///< null: there is none
};

/// Loads what a partition's state says that it was scored by from `offset` on, and asks for news of the
/// registry, for which it waits a moment. Throws Error{state} where a version is gone, unless the model goes
/// on with the present one, and ModelAway where it cannot be had for now. What is not in memory takes as long
/// as the registry does; any thread.
[[nodiscard]] std::vector<RestoredModel> restore_models(const Stage& stage, StateStore& store,
                                                        const TopicPartition& partition, std::int64_t offset);

/// The versions of a task's models: which one is in use, which one is tried, and since when. One thread.
///
///   newest is another -> candidate: called with the rows of one batch beside the present one
///     -> failed: rejected, for every task of the process
///     -> good: due -> `announce`: it takes over at an offset that is not processed yet
///       -> flushed and committed: rows from there on may become visible
///       -> `reach` that offset, between two batches: in use
///
/// Where rows go back to an offset before a swap, they are scored as they were, since what was announced is
/// in the state.
///
/// A row that stops the task, of which one of those versions takes the batch, does not stop it: the task ends
/// at the row, `take_over` is committed with that, and a new task goes on (see `Worker::stop_before`).
class TaskModels {
 public:
  /// A backtest: the versions that the stage was pinned to. A run: as restored, or the newest.
  TaskModels(const Stage& stage, TopicPartition partition, std::vector<RestoredModel> restored);
  ~TaskModels();
  TaskModels(const TaskModels&) = delete;
  TaskModels& operator=(const TaskModels&) = delete;

  /// For operators; stays where it is.
  [[nodiscard]] std::span<ModelUse> uses() noexcept { return uses_; }

  /// The first row is at `offset`: what the state does not know of yet is in the next flush.
  void begin(std::int64_t offset);
  /// Before a batch: looks whether there is news. One atomic load a model that can change.
  void begin_batch();
  /// After it: judges what was tried.
  void end_batch();
  /// Whether `announce` has something to do: a version was tried.
  [[nodiscard]] bool swap_due() const noexcept { return due_; }
  /// What was tried takes over at `offset`, which is not processed yet. The time is the steady clock's.
  void announce(std::int64_t offset, std::int64_t now_ns);
  /// The first offset whose rows must not become visible before what was announced is committed.
  [[nodiscard]] std::optional<std::int64_t> uncommitted_swap() const noexcept;
  /// The offset at which the version changes next: a batch ends before it. Nullopt: none ahead.
  [[nodiscard]] std::optional<std::int64_t> next_swap() const;
  /// Rows from `position` on come next: makes the swaps up to there.
  void reach(std::int64_t position);
  /// Rows from `position` on, of which none is processed, are scored by what takes them.
  void take_over(const Mended& mended, std::int64_t position);

  /// The log has rows up to `end`. What others may have written before this task began is below the first
  /// end that is told, once rows came.
  void heard_end(std::int64_t end) noexcept;

  /// Appends what changed since the last flush. What was announced a second ago or more and not reached takes
  /// over at `position`: fewer rows come than had been expected. So does what was restored, past all rows
  /// that others may have written.
  void flush(std::vector<Change>& changes, std::int64_t position, std::int64_t now_ns);
  /// What was flushed is committed.
  void committed();
  /// Whether the next flush has something to say.
  [[nodiscard]] bool changed() const noexcept;

 private:
  struct Changing {
    std::size_t use = 0;
    std::string state;
    std::uint64_t sequence = 0;  ///< of what is known to be no news
    /// Nothing is news before the registry was asked then or later.
    std::optional<std::chrono::steady_clock::time_point> asked;
    LoadedModelPtr accepted;                   ///< a candidate that is due
    std::vector<VersionSince> versions;        ///< as the state has them, or will have
    std::vector<LoadedModelPtr> ahead;         ///< the last of `versions`, which are still to come
    std::optional<std::int64_t> announced_ns;  ///< when what is ahead was, unless it was restored
    bool changed = false;                      ///< since the last flush
    bool flushed = false;                      ///< and not committed yet
  };
  void start(const Stage& stage, std::size_t number, RestoredModel restored);
  /// Whether there is another newest version than when it was asked last.
  [[nodiscard]] static bool has_news(Changing& changing, const ModelVersions& versions);
  /// The state is to have that `version` is in use from `since` on.
  static void note(Changing& changing, const std::string& version, std::int64_t since);
  /// Whether what is ahead has waited long enough for its offset.
  [[nodiscard]] bool waits_long(const Changing& changing, std::int64_t position, std::int64_t now_ns) const;
  /// Tells the model which version is in use.
  void count(std::size_t number);
  void update_due() noexcept;

  const TopicPartition partition_;
  std::vector<ModelUse> uses_;
  std::vector<std::string> counted_;  ///< by use: what its model was told
  std::vector<Changing> changing_;
  std::optional<std::int64_t> first_end_;  ///< of the log, once rows came
  bool due_ = false;
};

}  // namespace tiderace
