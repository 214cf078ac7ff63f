#pragma once

#include <tiderace/options.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "columnar/model/versioned_model.h"

namespace tiderace {

/// One version of a model in this process, by the methods that it is called by. Immutable.
struct LoadedModel {
  std::string version;
  std::map<std::string, std::shared_ptr<Model>> methods;
};
using LoadedModelPtr = std::shared_ptr<const LoadedModel>;

/// Where versions come from. Calls may take long and come one at a time, from any thread. They throw
/// Error{config}, `load` VersionGone where there is no such version (any more).
class ModelSource {
 public:
  virtual ~ModelSource() = default;
  /// The version that the reference names now.
  [[nodiscard]] virtual std::string resolve() = 0;
  /// That version, by each of `methods`.
  [[nodiscard]] virtual std::vector<std::shared_ptr<Model>> load(const std::string& version,
                                                                 std::span<const std::string> methods) = 0;
  /// While `on`, calls under way on other threads end soon, and others fail. Any thread.
  virtual void interrupt(bool /*on*/) {}
};

/// A version that is not there any more, or that this pipeline cannot use: waiting does not help.
class VersionGone : public Error {
 public:
  explicit VersionGone(const Error& error) : Error(error) {}
};

/// One that is there, and wants other features than the plan has.
class OtherFeatures : public VersionGone {
 public:
  using VersionGone::VersionGone;
};

struct ModelVersionsOptions {
  std::string name;                                       ///< in headers and metrics: `shaking`
  std::string reference;                                  ///< as the user wrote it
  std::optional<std::chrono::nanoseconds> poll_interval;  ///< unset: the registry is not asked again
  std::string control_topic;                              ///< empty: none tells of versions
  OnLostVersion on_lost_version = OnLostVersion::stop;
};

/// What happened to a model in a run. Written by those it happens to, read by anyone.
struct ModelCounters {
  std::atomic<std::uint64_t> swaps{0};          ///< of partitions, from one version to another
  std::atomic<std::uint64_t> rollbacks{0};      ///< versions that failed the batch on which they were tried
  std::atomic<std::uint64_t> load_failures{0};  ///< of versions, or of asking for them
};

/// The versions of one model: which is the newest, and those that tasks need. Any thread.
///
/// `newest` is what tasks are to come to; each gets there by itself, between its batches. To hear of a new
/// one they look at `sequence`, an atomic number, once a batch.
class ModelVersions final : public VersionedModel {
 public:
  /// Loads the version that the source names now. Throws Error{config}.
  ModelVersions(std::unique_ptr<ModelSource> source, ModelVersionsOptions options,
                std::vector<std::string> methods);

  [[nodiscard]] const std::string& reference() const override { return options_.reference; }
  void require(const std::string& method, std::span<const Feature> features) override;

  [[nodiscard]] const ModelVersionsOptions& options() const noexcept { return options_; }
  /// Whether another version may come while a stream runs.
  [[nodiscard]] bool changes() const noexcept {
    return options_.poll_interval || !options_.control_topic.empty();
  }
  /// Another number whenever `newest` is another version.
  [[nodiscard]] std::uint64_t sequence() const noexcept { return sequence_.load(std::memory_order_acquire); }
  [[nodiscard]] LoadedModelPtr newest() const;
  /// A version, from memory or from the source; warmed up. From memory at once, whatever the source is doing.
  /// Throws VersionGone, OtherFeatures, Error{config}.
  [[nodiscard]] LoadedModelPtr load(const std::string& version);

  /// Asks which version it is now, and loads it if it is another than the newest: that one it is from then
  /// on. Those that have failed their first batch are passed over until the source names another. What goes
  /// wrong is counted and logged, a line for each reason; false then. One call at a time, others wait.
  bool look() noexcept;
  /// Whether the last `look` was good, and began then or later.
  [[nodiscard]] bool looked_since(std::chrono::steady_clock::time_point time) const noexcept {
    return looked_ns_.load(std::memory_order_acquire) >= time.time_since_epoch().count();
  }
  /// Asks whoever watches the model to look, and waits until a `look` that began by now has ended, but only
  /// `patience`, and no longer than that for one that was under way before.
  void ask_to_look(std::chrono::nanoseconds patience);
  /// For who watches: waits for that, but no longer than `longest`; whether somebody has asked.
  [[nodiscard]] bool wait_until_asked(std::chrono::nanoseconds longest);
  /// Ends a `wait_until_asked`.
  void wake_watch();
  /// The version that a control topic names, which goes before what the registry says; nullopt: none. For the
  /// next `look`.
  void point(std::optional<std::string> version);
  /// `loaded` has failed a batch: the newest is what was before it, or `instead`, which the task uses, where
  /// there is nothing else. Counted once.
  void reject(const LoadedModelPtr& loaded, const LoadedModelPtr& instead, const std::string& why);
  /// Whether that version was rejected since the source names what it names now.
  [[nodiscard]] bool is_rejected(const std::string& version) const;
  /// As `ModelSource::interrupt`, until everybody who said `on` has said that it is over; nobody is kept
  /// waiting, and what fails for it is not told.
  void interrupt(bool on);

  /// A task has begun to use a version (`by` 1) or ended (-1).
  void count_use(const std::string& version, int by);
  /// Tasks by the version that they use.
  [[nodiscard]] std::map<std::string, int> uses() const;
  [[nodiscard]] ModelCounters& counters() noexcept { return counters_; }
  [[nodiscard]] const ModelCounters& counters() const noexcept { return counters_; }
  /// Counts from nothing again: a run begins.
  void begin_run();

 private:
  struct Required {
    std::string method;
    std::vector<Feature> features;
  };
  [[nodiscard]] std::vector<std::string> methods() const;
  [[nodiscard]] LoadedModelPtr known(const std::string& version) const;
  [[nodiscard]] LoadedModelPtr read(const std::string& version);
  void check(const LoadedModel& loaded) const;
  void warm_up(const LoadedModel& loaded) const;
  void offer(LoadedModelPtr loaded);
  void look_or_throw();

  const std::unique_ptr<ModelSource> source_;
  const ModelVersionsOptions options_;
  std::atomic<std::uint64_t> sequence_{0};
  ModelCounters counters_;
  std::mutex look_mutex_;       ///< one look at a time; taken before `source_mutex_`
  std::mutex interrupt_mutex_;  ///< one who interrupts at a time; taken before `mutex_`
  std::mutex source_mutex_;     ///< one call of the source at a time; taken before `mutex_`
  /// Of what follows, never held for long, nor where a model may be destroyed: that may ask for an
  /// interpreter, whose holder may be waiting here.
  mutable std::mutex mutex_;
  std::vector<Required> required_;
  std::vector<std::string> methods_;
  std::vector<LoadedModelPtr> offered_;  ///< the last is the newest
  std::vector<std::weak_ptr<const LoadedModel>> loaded_;
  std::optional<std::string> pointed_;
  std::string named_;               ///< by the source or a control topic, when it was last looked
  std::set<std::string> rejected_;  ///< versions that were taken back since
  int interrupts_ = 0;              ///< of those who want that, of any run
  bool asked_ = false;              ///< to look
  std::optional<std::chrono::steady_clock::time_point> looking_;  ///< since when
  std::chrono::steady_clock::time_point answered_;                ///< when the last look that ended began
  std::condition_variable changed_;                               ///< `asked_`, `answered_`, `interrupts_`
  std::atomic<std::int64_t> looked_ns_{INT64_MIN};  ///< when the last look began, if it was good
  std::string complaint_;                           ///< what was logged last
  std::map<std::string, int> uses_;
};

}  // namespace tiderace
