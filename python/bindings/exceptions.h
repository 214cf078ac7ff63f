#pragma once

#include <nanobind/nanobind.h>

#include <string>

namespace tiderace::python {

namespace nb = nanobind;

/// A text of Python in UTF-8; lone surrogates, which UTF-8 has not, as `\udce9`. Needs the GIL.
[[nodiscard]] std::string text_of(nb::handle text);

/// What the user's function raised, for a message: `ValueError: no such rider (service.py line 12)`, with the
/// deepest line of the file that `function` is from, if it is from one. Rethrows what is not an `Exception`
/// (KeyboardInterrupt, SystemExit): it is meant for the program, not for the row. Needs the GIL.
[[nodiscard]] std::string describe_exception(nb::python_error& error, nb::handle function);

/// The same of a source or sink, whose `ConfigError` says all that there is to say.
[[nodiscard]] std::string describe_connector_error(nb::python_error& error, nb::handle function);

/// `f`, or the type of a callable without a name.
[[nodiscard]] std::string name_of_function(nb::handle function);

/// Errors of the engine become the exceptions of `tiderace.errors`.
void register_exceptions();

}  // namespace tiderace::python
