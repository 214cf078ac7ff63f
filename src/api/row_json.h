#pragma once

#include <tiderace/row.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "formats/json/encoder.h"
#include "formats/json/reader.h"

namespace tiderace {

/// The value that `text` holds; throws JsonFault for what is no JSON, has a number beyond int64 or double,
/// half a surrogate pair, or a field twice in one object.
[[nodiscard]] Value parse_value(std::string_view text);

/// Appends `value` as JSON. Returns how many infinities it wrote as null.
std::uint64_t append_json(std::string& out, const Value& value, NotFinite not_finite);

}  // namespace tiderace
