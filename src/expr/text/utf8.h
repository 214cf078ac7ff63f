#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace tiderace {

[[nodiscard]] bool is_ascii(std::string_view text) noexcept;
[[nodiscard]] bool is_utf8(std::string_view text) noexcept;
/// The code points of a UTF-8 text.
[[nodiscard]] std::size_t code_points(std::string_view text) noexcept;

enum class LetterCase { lower, upper };
/// Appends `text` with every code point in the other case, where Unicode gives it one (a simple mapping, as
/// pandas' Arrow strings have: "ß" becomes "ẞ"). Bytes that are no UTF-8 are kept.
void append_in_case(std::string& out, std::string_view text, LetterCase wanted);

}  // namespace tiderace
