#pragma once

#include <memory>
#include <string>
#include <vector>

#include "runtime/observation/run_metrics.h"
#include "runtime/stage.h"

namespace tiderace {

/// Everything that is known of a run, in Prometheus' text format. docs/guide/operations.md has the list; a
/// test holds the two together.
[[nodiscard]] std::string prometheus_text(const RuntimeContext& context,
                                          const std::vector<std::unique_ptr<Stage>>& stages);

}  // namespace tiderace
