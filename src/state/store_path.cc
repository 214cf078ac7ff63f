#include "state/store_path.h"

#include <fmt/format.h>

#include <cstddef>
#include <cstdint>

namespace tiderace {
namespace {

constexpr std::size_t max_component = 200;  // file systems allow 255 bytes

bool is_plain(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
         c == '.';
}

std::uint64_t fnv1a(std::string_view bytes) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const char c : bytes) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return hash;
}

std::string encode(std::string_view component) {
  if (component.empty()) return "%";
  std::string out;
  for (std::size_t i = 0; i < component.size(); ++i) {
    const char c = component[i];
    const bool leading_dot = c == '.' && i == 0;  // hidden, or worse: `.` and `..`
    if (is_plain(c) && !leading_dot) {
      out += c;
    } else {
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  if (out.size() > max_component) {
    out.resize(max_component);
    out += fmt::format("%~{:016x}", fnv1a(component));
  }
  return out;
}

}  // namespace

std::string store_path(std::string_view name) {
  std::string path;
  while (true) {
    const std::size_t slash = name.find('/');
    path += encode(name.substr(0, slash));
    if (slash == std::string_view::npos) return path;
    path += '/';
    name.remove_prefix(slash + 1);
  }
}

}  // namespace tiderace
