#pragma once

#include <nanobind/nanobind.h>
#include <tiderace/error.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "columnar/column.h"
#include "expr/expression.h"
#include "formats/json/encoder.h"

namespace tiderace::python {

namespace nb = nanobind;

/// A Python value that the engine has no form for. `message` names it and its field.
struct UnfitValue {
  BadRowKind kind;  ///< function, or range for an integer beyond int64
  std::string message;
};

/// Appends `value` as JSON text: None, bool, int, float, str, bytes (as base64), list, tuple, dict with str
/// keys, and NumPy's scalars and arrays of these. NaN and pandas' NA are null; infinities as `not_finite`
/// says. Throws UnfitValue for anything else. Returns how many infinities became null. Needs the GIL.
std::uint64_t append_json(std::string& out, nb::handle value, NotFinite not_finite);

/// Sets row `i` to `value`; lists and dicts become nested values. Throws UnfitValue. Returns how many
/// infinities inside these became null. Needs the GIL.
std::uint64_t set_value(ColumnBuilder& builder, std::size_t i, nb::handle value);

/// `value` as a constant of an expression. Throws Error{plan} for what is none. Needs the GIL.
[[nodiscard]] Scalar scalar_of(nb::handle value);

/// Row `i` as a Python value; nested values are not parsed but returned as JSON text.
[[nodiscard]] nb::object text_or_number(const Column& column, std::size_t i);

/// UTF-8 as str, other bytes as bytes.
[[nodiscard]] nb::object str_or_bytes(std::string_view text);

}  // namespace tiderace::python
