#pragma once

#include <memory>

#include "operators/lower.h"

namespace tiderace {

/// `sdf.apply(f)`, `sdf.filter(f)`, `sdf.update(f)` and `sdf["y"] = sdf.apply(f)`: the user's function row by
/// row, called once a batch. State of a stateful function: JSON values by name, per key.
[[nodiscard]] std::unique_ptr<Operator> make_apply_row(const ResolvedStage& stage, const ResolvedStep& step,
                                                       const TaskResources& resources);

/// `sdf["x"].apply(f)`. Stateless.
[[nodiscard]] std::unique_ptr<Operator> make_apply_value(const ResolvedStep& step);

}  // namespace tiderace
