#pragma once

#include <string>
#include <string_view>

#include "columnar/column.h"
#include "connectors/postgres/table_shape.h"

namespace tiderace::postgres {

// The text format of COPY: columns are divided by tabs, rows end with a line feed, null is \N.

/// Row `i` of `column` as a column of `type` takes it.
void append_value(std::string& out, const Column& column, std::size_t i, ColumnType type);
void append_text(std::string& out, std::string_view text);
void append_number(std::string& out, std::int64_t value);
/// Nanoseconds since 1970 as a timestamp with time zone, to the microsecond (rounded down).
void append_time(std::string& out, std::int64_t ns);

}  // namespace tiderace::postgres
