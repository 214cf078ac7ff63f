#pragma once

#include <string>
#include <string_view>

namespace tiderace {

/// The whole file. Throws Error{config} if it is missing, not a file, not readable, or if its SHA-256 is not
/// `sha256` (hexadecimal, any case; empty: not checked).
[[nodiscard]] std::string read_model_file(const std::string& path, std::string_view sha256);

/// The SHA-256 of `bytes` in lower-case hexadecimal.
[[nodiscard]] std::string sha256_of(std::string_view bytes);

}  // namespace tiderace
