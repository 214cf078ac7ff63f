#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "columnar/column.h"

namespace tiderace {

/// `text` for an error message: cut to about 40 characters, never inside a UTF-8 sequence.
[[nodiscard]] std::string shortened(std::string_view text);

/// `text` as a string literal that is both Python and JSON.
[[nodiscard]] std::string quoted(std::string_view text);
constexpr std::size_t max_double_bytes = 32;
/// Writes the shortest text that reads back as `value`, always recognisable as a float (`2.0`, `1e+300`), to
/// `out`, which has room for `max_double_bytes`; returns its end. `value` is finite.
[[nodiscard]] char* write_double(char* out, double value) noexcept;
/// The same as a string; `inf`, `-inf` and `nan` for what is not finite.
[[nodiscard]] std::string float_text(double value);

/// What row `i` of `column` is, for error messages: `the string "high"`, `the number 2.5`, `true`, `null`, or
/// what is wrong with an invalid value.
[[nodiscard]] std::string describe(const Column& column, std::size_t i);

}  // namespace tiderace
