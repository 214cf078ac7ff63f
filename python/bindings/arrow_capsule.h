#pragma once

#include <nanobind/nanobind.h>
#include <tiderace/table.h>

namespace tiderace::python {

namespace nb = nanobind;

/// The Arrow PyCapsule protocol: what `__arrow_c_stream__` returns. It owns the stream until somebody takes
/// it.
[[nodiscard]] nb::object to_capsule(const Table& table);

/// A table over the memory of `object`, which has `__arrow_c_stream__`. Throws Error{plan} if it has not.
[[nodiscard]] Table from_capsule(nb::handle object);

}  // namespace tiderace::python
