#pragma once

#include <string>
#include <string_view>

namespace tiderace {

/// `text` with every byte that is no part of valid UTF-8 replaced by U+FFFD, for those who want valid UTF-8
/// whatever a name or a message holds.
[[nodiscard]] std::string to_valid_utf8(std::string_view text);

}  // namespace tiderace
