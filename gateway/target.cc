#include "gateway/target.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/utf8.h"

namespace tiderace::gateway {
namespace {

int hex_digit(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

/// Takes %XX (and, in a query, +) back.
std::optional<std::string> unescaped(std::string_view text, bool in_query) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (in_query && c == '+') c = ' ';
    if (c == '%') {
      if (i + 2 >= text.size()) return std::nullopt;
      const int high = hex_digit(text[i + 1]);
      const int low = hex_digit(text[i + 2]);
      if (high < 0 || low < 0) return std::nullopt;
      c = static_cast<char>(high * 16 + low);
      i += 2;
    }
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) return std::nullopt;
    out += c;
  }
  if (to_valid_utf8(out) != out) return std::nullopt;
  return out;
}

template <class T>
bool parse_number(std::string_view text, T& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return !text.empty() && error == std::errc() && end == text.data() + text.size() && number >= 0;
}

}  // namespace

std::optional<Positions> parse_positions(std::string_view text, std::size_t most) {
  Positions positions;
  while (!text.empty()) {
    const std::size_t comma = std::min(text.find(','), text.size());
    const std::string_view one = text.substr(0, comma);
    text.remove_prefix(std::min(comma + 1, text.size()));
    const std::size_t second = one.rfind(':');
    if (second == std::string_view::npos || second == 0) return std::nullopt;
    const std::size_t first = one.rfind(':', second - 1);
    if (first == std::string_view::npos || first == 0) return std::nullopt;
    std::int32_t partition = 0;
    std::int64_t offset = 0;
    if (!parse_number(one.substr(first + 1, second - first - 1), partition)) return std::nullopt;
    if (!parse_number(one.substr(second + 1), offset)) return std::nullopt;
    positions[{std::string(one.substr(0, first)), partition}] = offset;
    if (positions.size() > most) return std::nullopt;
  }
  return positions;
}

std::optional<Positions> parse_position_message(std::string_view message) {
  constexpr std::string_view before = "{\"position\":\"";
  constexpr std::string_view behind = "\"}";
  std::string tight;
  std::ranges::copy_if(message, std::back_inserter(tight),
                       [](char c) { return c != ' ' && c != '\t' && c != '\r' && c != '\n'; });
  if (tight.size() < before.size() + behind.size() || !tight.starts_with(before) || !tight.ends_with(behind))
    return std::nullopt;
  return parse_positions(
      std::string_view(tight).substr(before.size(), tight.size() - before.size() - behind.size()));
}

std::string to_string(const Positions& positions) {
  std::string out;
  for (const auto& [partition, offset] : positions)
    fmt::format_to(std::back_inserter(out), "{}{}:{}:{}", out.empty() ? "" : ",", partition.first,
                   partition.second, offset);
  return out;
}

const std::string* Target::find(std::string_view name) const {
  const auto found = std::ranges::find_if(query, [&](const auto& entry) { return entry.first == name; });
  return found == query.end() ? nullptr : &found->second;
}

std::optional<Target> parse_target(std::string_view text) {
  Target target;
  text = text.substr(0, text.find('#'));
  const std::size_t question = std::min(text.find('?'), text.size());
  auto path = unescaped(text.substr(0, question), false);
  if (!path || !path->starts_with('/')) return std::nullopt;
  target.path = std::move(*path);
  std::string_view rest = text.substr(std::min(question + 1, text.size()));
  while (!rest.empty()) {
    const std::size_t ampersand = std::min(rest.find('&'), rest.size());
    const std::string_view entry = rest.substr(0, ampersand);
    rest.remove_prefix(std::min(ampersand + 1, rest.size()));
    if (entry.empty()) continue;
    const std::size_t equals = std::min(entry.find('='), entry.size());
    auto name = unescaped(entry.substr(0, equals), true);
    auto value = unescaped(entry.substr(std::min(equals + 1, entry.size())), true);
    if (!name || !value) return std::nullopt;
    target.query.emplace_back(std::move(*name), std::move(*value));
  }
  return target;
}

std::vector<std::string> split(std::string_view text) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    const std::size_t comma = std::min(text.find(','), text.size());
    if (comma > 0) parts.emplace_back(text.substr(0, comma));
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
  return parts;
}

bool is_session_name(std::string_view text) {
  constexpr std::string_view others = "._-";
  return !text.empty() && text.size() <= 64 && std::ranges::all_of(text, [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           others.find(c) != std::string_view::npos;
  });
}

bool matches(std::string_view pattern, std::string_view text) {
  if (pattern.ends_with('*')) return text.starts_with(pattern.substr(0, pattern.size() - 1));
  return pattern == text;
}

bool matches_any(const std::vector<std::string>& patterns, std::string_view text) {
  return std::ranges::any_of(patterns, [&](const std::string& pattern) { return matches(pattern, text); });
}

}  // namespace tiderace::gateway
