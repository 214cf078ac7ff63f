#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace tiderace {

/// The whole file. Throws Error{config} if it is missing, not a file, not readable, or if its SHA-256 is not
/// `sha256` (hexadecimal, any case; empty: not checked).
[[nodiscard]] std::string read_model_file(const std::string& path, std::string_view sha256);

/// The whole file; nullopt: there is none. Throws Error{config} if it cannot be read, or that cannot be told.
[[nodiscard]] std::optional<std::string> read_if_there(const std::filesystem::path& path);

/// The SHA-256 of `bytes` in lower-case hexadecimal.
[[nodiscard]] std::string sha256_of(std::string_view bytes);

}  // namespace tiderace
