#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

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
  std::uint64_t sequence = 0;          ///< `ModelVersions::sequence` that is known to be no news
};

/// Loads what a partition's state says that it was scored by from `offset` on, after asking the registry for
/// news. Throws Error{state} where a version is gone, unless the model goes on with the present one. Takes as
/// long as the registry does; any thread.
[[nodiscard]] std::vector<RestoredModel> restore_models(const Stage& stage, StateStore& store,
                                                        const TopicPartition& partition, std::int64_t offset,
                                                        const std::function<bool()>& stopped);

/// The versions of a task's models: which one is in use, which one is tried, and since when. One thread.
///
///   newest is another -> candidate: called with the rows of one batch beside the present one
///     -> failed: rejected, for every task of the process
///     -> good: due -> `swap`, between two batches -> in use from that offset on, which the state has
///
/// Where rows go back to an offset before a swap, they are scored as they were.
class TaskModels {
 public:
  /// A backtest: the versions that the stage was pinned to. A run: as restored, or the newest.
  TaskModels(const Stage& stage, TopicPartition partition, std::vector<RestoredModel> restored);
  ~TaskModels();
  TaskModels(const TaskModels&) = delete;
  TaskModels& operator=(const TaskModels&) = delete;

  /// For operators; stays where it is.
  [[nodiscard]] std::span<ModelUse> uses() noexcept { return uses_; }

  /// Before a batch that begins at input offset `position`: looks whether there is news. One atomic load a
  /// model that can change.
  void begin_batch(std::int64_t position);
  /// After it: judges what was tried.
  void end_batch();
  /// Whether `swap` has something to do, or the state does not have what is in use yet.
  [[nodiscard]] bool swap_due() const noexcept { return due_; }
  /// Between batches: what is due takes over from `position` on.
  void swap(std::int64_t position);
  /// The offset at which rows that are processed again have to change versions; nullopt: none ahead.
  [[nodiscard]] std::optional<std::int64_t> next_swap() const;
  /// The state is at `position`: makes the swaps up to there.
  void reach(std::int64_t position);

  /// Appends what changed since the last flush.
  void flush(std::vector<Change>& changes);
  [[nodiscard]] bool changed() const noexcept;

 private:
  struct Changing {
    std::size_t use = 0;
    std::string state;
    std::uint64_t sequence = 0;
    LoadedModelPtr accepted;             ///< a candidate that is due
    std::vector<VersionSince> versions;  ///< as the state has them, or will have
    std::vector<LoadedModelPtr> ahead;   ///< the last of `versions`, which are still to come
    bool changed = false;
  };
  void start(const Stage& stage, std::size_t number, RestoredModel restored);
  /// `version` is in use from `since` on.
  void take(Changing& changing, LoadedModelPtr version, std::int64_t since);
  /// Tells the model which version is in use.
  void count(std::size_t number);
  void update_due() noexcept;

  const TopicPartition partition_;
  std::vector<ModelUse> uses_;
  std::vector<std::string> counted_;  ///< by use: what its model was told
  std::vector<Changing> changing_;
  std::int64_t batch_position_ = 0;
  bool due_ = false;
};

}  // namespace tiderace
