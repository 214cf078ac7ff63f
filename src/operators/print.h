#pragma once

#include <memory>

#include "operators/lower.h"

namespace tiderace {

/// `sdf.print()`: the rows as an aligned table on the given output, a header first and again whenever the
/// columns change. `live` redraws the last rows in place. Slow; for a person who looks. Stateless.
[[nodiscard]] std::unique_ptr<Operator> make_print(const ResolvedStep& step, const TaskResources& resources);

}  // namespace tiderace
