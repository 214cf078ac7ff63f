#pragma once

#include <memory>

#include "operators/operator.h"
#include "operators/resolve/resolve.h"

namespace tiderace {

/// `sdf["name"] = expression`. Stateless.
[[nodiscard]] std::unique_ptr<Operator> make_assign(const ResolvedStep& step);

}  // namespace tiderace
