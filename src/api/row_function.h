#pragma once

#include <tiderace/row.h>
#include <tiderace/state.h>

#include <functional>
#include <memory>

#include "columnar/function.h"

namespace tiderace {

/// The engine's side of a C++ function over rows: gets the row, and what it remembers of the key or null;
/// returns its result, for `update` the changed row. What it throws makes the row bad.
[[nodiscard]] std::shared_ptr<RowFunction> make_row_function(std::function<Value(Row&, State*)> function);
[[nodiscard]] std::shared_ptr<ValueFunction> make_value_function(std::function<Value(const Value&)> function);

}  // namespace tiderace
