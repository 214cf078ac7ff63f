#pragma once

#include <nanobind/nanobind.h>

#include <memory>

#include "columnar/function.h"

namespace tiderace::python {

namespace nb = nanobind;

/// How a row function is called and what of it counts.
enum class RowCall {
  result,   ///< what it returns
  in_place  ///< the dict that it was given and changed
};

/// `function(row)` as the engine calls it, `function(row, state)` if it is stateful. The engine owns it.
/// Throws Error{plan} if `function` cannot be called.
[[nodiscard]] std::shared_ptr<RowFunction> row_function(nb::object function, RowCall call);

/// `function(value)` as the engine calls it.
[[nodiscard]] std::shared_ptr<ValueFunction> value_function(nb::object function);

/// `adapter(table)` as the engine calls it: it takes a native Table and returns something with
/// `__arrow_c_stream__`. `function` is the user's, for messages.
[[nodiscard]] std::shared_ptr<BatchFunction> batch_function(nb::object function, nb::object adapter);

}  // namespace tiderace::python
