#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "log/log.h"
#include "operators/model/model_use.h"
#include "operators/operator.h"
#include "operators/resolve/resolve.h"
#include "plan/sink.h"
#include "state/key_table.h"
#include "state/store.h"

namespace tiderace {

/// Where a task's rows go into a sink.
struct SinkPort {
  SinkWriter* writer = nullptr;  ///< the worker's
  SinkPartition partition = {};
  std::int64_t from = 0;           ///< what comes before this offset is there already
  std::uint64_t* taken = nullptr;  ///< counts the rows that it took
};

/// What the operators of one task work with. Owned by the task (the producer by its worker) and outliving the
/// operators.
struct TaskResources {
  StateStore* store = nullptr;
  KeyTable* keys = nullptr;
  Producer* producer = nullptr;     ///< null in a backtest: nothing is written
  std::span<ModelUse> models = {};  ///< by the number of the model in the stage
  std::int64_t state_ttl_ns = 0;    ///< of event time, after which a key without rows is forgotten; 0: never
  /// What a topic takes.
  std::function<TopicConfig(const std::string& topic)> topic_config;
  /// The way into a sink; never asked in a backtest.
  std::function<SinkPort(const SinkConnector& sink)> sink;
  Clock* clock = &system_clock();
  /// Where `print()` writes, whole lines at a time.
  std::function<void(std::string_view)> print;
};

/// The operator of step `index` of `stage` (not the source). `stage` must outlive it.
[[nodiscard]] std::unique_ptr<Operator> make_operator(const ResolvedStage& stage, std::size_t index,
                                                      const TaskResources& resources);

}  // namespace tiderace
