#include "formats/json/text.h"

namespace tiderace::json {
namespace {

bool continues(Byte c) noexcept {
  return (c & 0xc0) == 0x80;
}

int hexadecimal(Byte c) noexcept {
  if (is_digit(c)) return c - '0';
  const int letter = (c | 0x20) - 'a';
  return letter >= 0 && letter < 6 ? letter + 10 : -1;
}

std::uint32_t code_unit(const char* p) noexcept {
  std::uint32_t value = 0;
  for (int i = 0; i < 4; ++i)
    value = value << 4 | static_cast<std::uint32_t>(hexadecimal(static_cast<Byte>(p[i])));
  return value;
}

void append_utf8(std::string& out, std::uint32_t code) {
  const auto add = [&out](std::uint32_t byte) { out += static_cast<char>(byte); };
  if (code < 0x80) {
    add(code);
  } else if (code < 0x800) {
    add(0xc0 | code >> 6);
    add(0x80 | (code & 0x3f));
  } else if (code < 0x10000) {
    add(0xe0 | code >> 12);
    add(0x80 | (code >> 6 & 0x3f));
    add(0x80 | (code & 0x3f));
  } else {
    add(0xf0 | code >> 18);
    add(0x80 | (code >> 12 & 0x3f));
    add(0x80 | (code >> 6 & 0x3f));
    add(0x80 | (code & 0x3f));
  }
}

// Appends the character of the `\u` escape at the front of `rest` (of both, for a surrogate pair) and takes
// it off.
bool take_unicode_escape(std::string_view& rest, std::string& out) {
  const std::uint32_t first = code_unit(rest.data() + 2);
  rest.remove_prefix(6);
  if (first < 0xd800 || first > 0xdfff) {
    append_utf8(out, first);
    return true;
  }
  if (first > 0xdbff || !rest.starts_with("\\u")) return false;
  const std::uint32_t second = code_unit(rest.data() + 2);
  if (second < 0xdc00 || second > 0xdfff) return false;
  append_utf8(out, 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00));
  rest.remove_prefix(6);
  return true;
}

char simple_escape(char c) noexcept {
  switch (c) {
    case 'b':
      return '\b';
    case 'f':
      return '\f';
    case 'n':
      return '\n';
    case 'r':
      return '\r';
    case 't':
      return '\t';
    default:
      return c;
  }
}

}  // namespace

const Byte* utf8_sequence_end(const Byte* p, const Byte* end) noexcept {
  const Byte lead = p[0];
  const auto left = end - p;
  if (lead >= 0xc2 && lead <= 0xdf) return left >= 2 && continues(p[1]) ? p + 2 : nullptr;
  if (lead >= 0xe0 && lead <= 0xef) {
    if (left < 3 || !continues(p[1]) || !continues(p[2])) return nullptr;
    if (lead == 0xe0 && p[1] < 0xa0) return nullptr;  // could be shorter
    if (lead == 0xed && p[1] > 0x9f) return nullptr;  // a surrogate
    return p + 3;
  }
  if (lead >= 0xf0 && lead <= 0xf4) {
    if (left < 4 || !continues(p[1]) || !continues(p[2]) || !continues(p[3])) return nullptr;
    if (lead == 0xf0 && p[1] < 0x90) return nullptr;  // could be shorter
    if (lead == 0xf4 && p[1] > 0x8f) return nullptr;  // beyond U+10FFFF
    return p + 4;
  }
  return nullptr;
}

const Byte* escape_end(const Byte* p, const Byte* end) noexcept {
  if (end - p < 2) return nullptr;
  switch (p[1]) {
    case '"':
    case '\\':
    case '/':
    case 'b':
    case 'f':
    case 'n':
    case 'r':
    case 't':
      return p + 2;
    case 'u':
      break;
    default:
      return nullptr;
  }
  if (end - p < 6) return nullptr;
  for (int i = 2; i < 6; ++i) {
    if (hexadecimal(p[i]) < 0) return nullptr;
  }
  return p + 6;
}

const Byte* special_end(const Byte* p, const Byte* end, bool& escaped) noexcept {
  if (p >= end) return nullptr;
  if (*p == '\\') {
    escaped = true;
    return escape_end(p, end);
  }
  if (*p < 0x80) return nullptr;  // a control character
  while (p != nullptr && p < end && *p >= 0x80) p = utf8_sequence_end(p, end);
  return p;
}

namespace {

// Up to the end, or to a lone surrogate, which is taken off `body` too: false.
bool unescape_some(std::string_view& body, std::string& out) {
  while (!body.empty()) {
    const std::size_t plain = std::min(body.find('\\'), body.size());
    out.append(body.substr(0, plain));
    body.remove_prefix(plain);
    if (body.empty()) break;
    if (body[1] == 'u') {
      if (!take_unicode_escape(body, out)) return false;
      continue;
    }
    out += simple_escape(body[1]);
    body.remove_prefix(2);
  }
  return true;
}

}  // namespace

bool unescape(std::string_view body, std::string& out) {
  return unescape_some(body, out);
}

void unescape_replacing(std::string_view body, std::string& out) {
  while (!unescape_some(body, out)) out += "\xEF\xBF\xBD";
}

}  // namespace tiderace::json
