#include "log/kafka/security/jwt.h"

#include <algorithm>
#include <charconv>

namespace tiderace::kafka {
namespace {

/// Base64 as it stands in URLs (RFC 4648), without padding; up to the first byte that does not belong there.
std::string decode_base64url(std::string_view text) {
  constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  std::string bytes;
  std::uint32_t bits = 0;
  int count = 0;
  for (const char c : text) {
    const std::size_t value = alphabet.find(c);
    if (value == alphabet.npos) break;
    bits = (bits << 6) | static_cast<std::uint32_t>(value);
    count += 6;
    if (count < 8) continue;
    count -= 8;
    bytes += static_cast<char>((bits >> count) & 0xff);
  }
  return bytes;
}

/// One past the string that begins at `at`, with its quotes.
std::size_t end_of_string(std::string_view json, std::size_t at) {
  for (++at; at < json.size() && json[at] != '"'; ++at) {
    if (json[at] == '\\') ++at;
  }
  return std::min(at + 1, json.size());
}

/// The value of a member of the outermost object, up to what follows it; nothing if there is none.
std::string_view member(std::string_view json, std::string_view name) {
  constexpr std::string_view space = " \t\r\n";
  int depth = 0;
  for (std::size_t at = 0; at < json.size(); ++at) {
    const char c = json[at];
    depth += c == '{' || c == '[' ? 1 : (c == '}' || c == ']' ? -1 : 0);
    if (c != '"') continue;
    const std::size_t end = end_of_string(json, at);
    const std::string_view text = json.substr(at, end - at);
    at = end - 1;
    if (depth != 1 || text.size() != name.size() + 2 || text.substr(1, name.size()) != name) continue;
    const std::size_t colon = json.find_first_not_of(space, end);
    if (colon == json.npos || json[colon] != ':') continue;
    const std::size_t value = json.find_first_not_of(space, colon + 1);
    return value == json.npos ? std::string_view() : json.substr(value);
  }
  return {};
}

}  // namespace

Claims read_jwt(std::string_view token) {
  Claims claims;
  const std::size_t begin = token.find('.');
  if (begin == token.npos) return claims;
  const std::string json = decode_base64url(token.substr(begin + 1));
  const std::string_view expires = member(json, "exp");
  double seconds = 0;
  const auto [end, error] = std::from_chars(expires.data(), expires.data() + expires.size(), seconds);
  if (error == std::errc() && seconds > 0 && seconds < 1e12)
    claims.expires_at_s = static_cast<std::int64_t>(seconds);
  if (const std::string_view subject = member(json, "sub"); subject.starts_with('"')) {
    const std::size_t length = end_of_string(subject, 0);
    claims.subject = subject.substr(1, length < 2 ? 0 : length - 2);
  }
  return claims;
}

}  // namespace tiderace::kafka
