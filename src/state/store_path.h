#pragma once

#include <string>
#include <string_view>

namespace tiderace {

/// The relative path of directories for the store `name`: a component each, of letters, digits, `-`, `_` and
/// `.` as they are and anything else as `%` and two hex digits, so that no name leads out of the directory of
/// the stores and no two names meet. A component that a file system would refuse as too long is cut and ends
/// in its hash.
[[nodiscard]] std::string store_path(std::string_view name);

}  // namespace tiderace
