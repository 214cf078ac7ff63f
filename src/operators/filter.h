#pragma once

#include <memory>

#include "operators/operator.h"
#include "operators/resolve/resolve.h"

namespace tiderace {

/// `sdf[condition]`: keeps the rows for which the condition is true; null is not. Stateless.
[[nodiscard]] std::unique_ptr<Operator> make_filter(const ResolvedStep& step);

}  // namespace tiderace
