#pragma once

#include <string_view>
#include <vector>

#include "columnar/function.h"

namespace tiderace {

/// The columns of a CSV text (RFC 4180: commas, quotes doubled inside quotes, line breaks inside quotes; LF
/// or CRLF; a byte order mark is passed over) with a header. Kinds are inferred a column, as pandas does:
/// int64 if all values are, else float64, else bool
/// (`true True TRUE`, ...), else string; an empty field and pandas' words for a missing value (`NA NaN null
/// None` ...) are null. A row that ends early has nulls, blank lines are passed over. Throws Error{plan} that
/// names the line for a field too many, a quote that does not end, a missing header or two columns of one
/// name.
[[nodiscard]] std::vector<NamedColumn> read_csv_columns(std::string_view text);

}  // namespace tiderace
