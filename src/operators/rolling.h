#pragma once

#include <memory>

#include "operators/lower.h"

namespace tiderace {

/// `sdf[...].rolling(window)`: moving aggregates per key over one buffer of rows. State: the rows that a
/// window can still reach, see `state/rolling_store.h`. Late rows stay with null, leave, or go to a topic or
/// a function, as the plan says.
[[nodiscard]] std::unique_ptr<Operator> make_rolling(const ResolvedStep& step,
                                                     const TaskResources& resources);

}  // namespace tiderace
