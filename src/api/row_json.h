#pragma once

#include <tiderace/row.h>

#include <string>
#include <string_view>

#include "formats/json/encoder.h"

namespace tiderace {

/// The value that `text` holds. Throws Error{plan} for what is no JSON; ints beyond int64 become doubles.
[[nodiscard]] Value parse_value(std::string_view text);

/// Appends `value` as JSON.
void append_json(std::string& out, const Value& value, NotFinite not_finite);

}  // namespace tiderace
