#pragma once

#include <string>
#include <string_view>

#include "columnar/column.h"

namespace tiderace {

/// `text` for an error message: cut to about 40 characters, never inside a UTF-8 sequence.
[[nodiscard]] std::string shortened(std::string_view text);

/// `text` as a string literal that is both Python and JSON.
[[nodiscard]] std::string quoted(std::string_view text);
/// The shortest text that reads back as `value`, always recognisable as a float: `2.0`, `1e+300`, `inf`.
[[nodiscard]] std::string float_text(double value);

/// What row `i` of `column` is, for error messages: `the string "high"`, `the number 2.5`, `true`, `null`, or
/// what is wrong with an invalid value.
[[nodiscard]] std::string describe(const Column& column, std::size_t i);

}  // namespace tiderace
