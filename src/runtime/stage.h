#pragma once

#include <tiderace/options.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "log/log.h"
#include "operators/resolve/resolve.h"
#include "runtime/metrics.h"
#include "runtime/observation/run_metrics.h"
#include "runtime/observation/unseen_fields.h"
#include "runtime/sources/feeder.h"
#include "state/store.h"

namespace tiderace {

/// A source and its steps, with what its tasks share: the resolved plan and the counters of its steps.
struct Stage {
  explicit Stage(ResolvedStage stage)
      : resolved(std::move(stage)),
        counters(std::make_unique<StepCounters[]>(resolved.steps.size())),
        unseen(resolved) {}

  [[nodiscard]] bool stateful() const noexcept { return !resolved.states.empty(); }

  ResolvedStage resolved;
  std::unique_ptr<StepCounters[]> counters;  ///< by step
  UnseenFields unseen;
  std::vector<LoadedModelPtr> pinned;  ///< of a backtest: the versions of `resolved.models`
};

/// What everything at work in one application uses. Outlives tasks and workers; what it points to is safe to
/// use from any thread.
struct RuntimeContext {
  ApplicationOptions options;
  std::shared_ptr<Log> log;
  std::shared_ptr<StateStores> stores;
  Clock* clock = &system_clock();
  /// How many partitions are restored at a time beside a worker's other work; 0: one after the other, by the
  /// worker.
  int restore_threads = 0;
  std::function<void(std::string_view)> print;
  std::vector<Feed> feeds = {};  ///< the sources of topics that stages read
  std::shared_ptr<RunMetrics> metrics = std::make_shared<RunMetrics>();

  [[nodiscard]] bool exactly_once() const noexcept {
    return options.processing_guarantee == ProcessingGuarantee::exactly_once;
  }
  [[nodiscard]] std::string dead_letter_topic() const {
    return options.dead_letter_topic.empty() ? options.consumer_group + "-dead-letters"
                                             : options.dead_letter_topic;
  }
  [[nodiscard]] std::int64_t commit_interval_ns() const {
    if (options.commit_interval) return options.commit_interval->count();
    return exactly_once() ? 100'000'000 : 1'000'000'000;
  }
};

/// How a topic of these options is created.
[[nodiscard]] TopicConfig topic_config(const TopicOptions& options);

/// The changelog of a group's stage: `<group>-<topic>-changelog`, with as many partitions as the topic.
[[nodiscard]] std::string changelog_topic(const std::string& group, const std::string& topic);
[[nodiscard]] TopicPartition changelog_of(const RuntimeContext& context, const TopicPartition& input);

/// The store of an input partition's state: `<group>/<topic>/<partition>`.
[[nodiscard]] std::string store_name(const RuntimeContext& context, const TopicPartition& input);

}  // namespace tiderace
