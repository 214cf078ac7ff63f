#pragma once

#include <memory>

#include "operators/operator.h"
#include "operators/resolve/resolve.h"

namespace tiderace {

/// `sdf[[...]].map_batches(f)`: the user's function on whole columns, one call a batch; its result is a
/// column, or the new rows. A call that fails is split until only the rows that fail alone are bad (kind
/// function). Stateless.
[[nodiscard]] std::unique_ptr<Operator> make_map_batches(const ResolvedStage& stage,
                                                         const ResolvedStep& step);

}  // namespace tiderace
