#pragma once

#include <algorithm>
#include <string>
#include <string_view>

#include "formats/json/instructions.h"

/// White space, strings, escapes and UTF-8. Scanners take a position and the end of the record, return the
/// position behind what they scanned, or null if it is malformed. Those marked "padded" may read up to 16
/// bytes behind `end` and return a position up to 16 bytes behind it; the caller must refuse that before it
/// accepts the record.
namespace tiderace::json {

constexpr bool is_white_space(Byte c) noexcept {
  return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}
constexpr bool is_digit(Byte c) noexcept {
  return c >= '0' && c <= '9';
}

TIDERACE_INLINE const Byte* skip_white_space(const Byte* p, const Byte* end) noexcept {
  while (p < end && is_white_space(*p)) ++p;
  return p;
}

/// Behind the UTF-8 sequence of a byte that is not ASCII.
[[nodiscard]] const Byte* utf8_sequence_end(const Byte* p, const Byte* end) noexcept;
/// Behind the escape that begins at `p` (at its `\`).
[[nodiscard]] const Byte* escape_end(const Byte* p, const Byte* end) noexcept;
/// Behind what stands at `p` inside a string and needs a look: an escape, or a run of bytes that are not
/// ASCII.
[[nodiscard]] const Byte* special_end(const Byte* p, const Byte* end, bool& escaped) noexcept;

/// Appends the characters of the checked string body `body` (without its quotes). False for a lone surrogate.
[[nodiscard]] bool unescape(std::string_view body, std::string& out);
/// The same with U+FFFD, the replacement character, for each lone surrogate.
void unescape_replacing(std::string_view body, std::string& out);

/// Behind the closing quote of the string whose first byte (behind the opening quote) is `p`. Sets `escaped`
/// if it has an escape. Padded.
template <class Instructions>
TIDERACE_INLINE const Byte* string_end(const Byte* p, const Byte* end, bool& escaped) noexcept {
  for (;;) {
    const StringMasks masks = Instructions::string_masks(p);
    const std::uint32_t before_quote = masks.quotes ^ (masks.quotes - 1);  // all ones if there is no quote
    if (TIDERACE_UNLIKELY(masks.specials & before_quote)) {
      p = special_end(p + std::countr_zero(masks.specials), end, escaped);
      if (p == nullptr) return nullptr;
      continue;
    }
    if (TIDERACE_LIKELY(masks.quotes != 0)) return p + std::countr_zero(masks.quotes) + 1;
    p += 16;
    if (TIDERACE_UNLIKELY(p >= end)) return nullptr;
  }
}

}  // namespace tiderace::json
