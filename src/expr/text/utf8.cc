#include "expr/text/utf8.h"

#include <utf8proc.h>

#include <array>
#include <cstdint>
#include <cstring>

namespace tiderace {
namespace {

/// The code point at the front of `text`, or less than 0; `length` bytes of it (at least 1).
utf8proc_int32_t decode(std::string_view text, std::size_t& length) noexcept {
  utf8proc_int32_t code_point = -1;
  const auto* const bytes = reinterpret_cast<const utf8proc_uint8_t*>(text.data());
  const utf8proc_ssize_t read =
      utf8proc_iterate(bytes, static_cast<utf8proc_ssize_t>(text.size()), &code_point);
  length = read > 0 ? static_cast<std::size_t>(read) : 1;
  return read > 0 ? code_point : -1;
}

void append_ascii(std::string& out, std::string_view text, LetterCase wanted) {
  const std::size_t begin = out.size();
  out.append(text);
  char* const to = out.data() + begin;
  const unsigned char first = wanted == LetterCase::lower ? 'A' : 'a';
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto letter = static_cast<unsigned char>(to[i]);
    const bool changes = static_cast<unsigned char>(letter - first) < 26;
    to[i] = static_cast<char>(letter ^ (changes ? 0x20 : 0));
  }
}

}  // namespace

bool is_ascii(std::string_view text) noexcept {
  std::size_t i = 0;
  std::uint64_t seen = 0;
  for (; i + 8 <= text.size(); i += 8) {
    std::uint64_t word;
    std::memcpy(&word, text.data() + i, 8);
    seen |= word;
  }
  for (; i < text.size(); ++i) seen |= static_cast<unsigned char>(text[i]);
  return (seen & 0x8080808080808080) == 0;
}

bool is_utf8(std::string_view text) noexcept {
  while (!text.empty()) {
    std::size_t length;
    if (decode(text, length) < 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

std::size_t code_points(std::string_view text) noexcept {
  std::size_t count = 0;
  for (const char byte : text)
    count += static_cast<std::size_t>((static_cast<unsigned char>(byte) & 0xC0) != 0x80);
  return count;
}

void append_in_case(std::string& out, std::string_view text, LetterCase wanted) {
  if (is_ascii(text)) return append_ascii(out, text, wanted);
  while (!text.empty()) {
    std::size_t length;
    const utf8proc_int32_t code_point = decode(text, length);
    if (code_point < 0) {
      out += text.front();
    } else {
      std::array<utf8proc_uint8_t, 4> encoded;
      const auto mapped =
          wanted == LetterCase::lower ? utf8proc_tolower(code_point) : utf8proc_toupper(code_point);
      const utf8proc_ssize_t size = utf8proc_encode_char(mapped, encoded.data());
      out.append(reinterpret_cast<const char*>(encoded.data()), static_cast<std::size_t>(size));
    }
    text.remove_prefix(length);
  }
}

}  // namespace tiderace
