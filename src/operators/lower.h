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
#include "state/key_table.h"
#include "state/store.h"

namespace tiderace {

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
  Clock* clock = &system_clock();
  /// Where `print()` writes, whole lines at a time.
  std::function<void(std::string_view)> print;
};

/// The operator of step `index` of `stage` (not the source). `stage` must outlive it.
[[nodiscard]] std::unique_ptr<Operator> make_operator(const ResolvedStage& stage, std::size_t index,
                                                      const TaskResources& resources);

}  // namespace tiderace
