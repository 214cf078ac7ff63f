#pragma once

#include <memory>
#include <vector>

#include "runtime/worker.h"

namespace tiderace {

/// Runs `stages` until a limit is reached, `state.stop` is set, or an error ends it: creates the topics that
/// are missing, starts the workers (worker 0 on the calling thread), waits for all of them. `summary` is set
/// in every case. Throws the first error.
void run_stages(const RuntimeContext& context, std::vector<std::unique_ptr<Stage>>& stages,
                const RunLimits& limits, RunState& state, Summary& summary);

/// The steps of `stages` as text, one a line, with rows in and out and time where there are any.
[[nodiscard]] std::string explain_stages(const std::vector<std::unique_ptr<Stage>>& stages);

}  // namespace tiderace
