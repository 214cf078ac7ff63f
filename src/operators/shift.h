#pragma once

#include <memory>

#include "operators/lower.h"

namespace tiderace {

/// `shift(n)` and `diff(n)`: the value of the key's row n rows ago, and this row's minus it. State: the last
/// n values of each key, see `state/shift_store.h`.
[[nodiscard]] std::unique_ptr<Operator> make_shift(const ResolvedStep& step, const TaskResources& resources);

}  // namespace tiderace
