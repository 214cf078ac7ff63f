#include "runtime/sources/row_difference.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <optional>

#include "expr/compare.h"
#include "formats/csv/splitter.h"
#include "formats/json/number.h"

namespace tiderace {
namespace {

bool is_in_word(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == 'E' || c == '+' || c == '-' || c == '.';
}

/// What stands at `at`: a string, a number, a literal, or one character.
std::string_view token_at(std::string_view text, std::size_t at) noexcept {
  std::size_t end = at + 1;
  if (text[at] == '"') {
    while (end < text.size() && text[end] != '"') end += text[end] == '\\' ? 2 : 1;
    return text.substr(at, end + 1 - at);
  }
  if (is_in_word(text[at]))
    while (end < text.size() && is_in_word(text[end])) ++end;
  return text.substr(at, end - at);
}

std::optional<json::Number> number_of(std::string_view token) noexcept {
  const auto* begin = reinterpret_cast<const json::Byte*>(token.data());
  bool is_float = false;
  if (json::number_end_careful(begin, begin + token.size(), is_float) != begin + token.size())
    return std::nullopt;
  const json::Number number = json::number_of(token, is_float);
  if (number.kind == Kind::invalid) return std::nullopt;
  return number;
}

std::string_view without_quotes(std::string_view token) noexcept {
  return token.size() >= 2 && token[0] == '"' ? token.substr(1, token.size() - 2) : token;
}

char small(char c) noexcept {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

/// A number as a float, also one in quotes and as CSV has them, as `01`.
std::optional<double> float_in(std::string_view token) {
  return csv_float64(without_quotes(token));
}

/// Whether a string (in quotes) is the text that `token`, a number or a literal, was read from.
bool is_text_of(std::string_view string, std::string_view token) {
  if (string[0] != '"' || token[0] == '"') return false;
  if (number_of(token)) return float_in(string) == float_in(token);
  const std::string_view text = without_quotes(string);
  return std::equal(text.begin(), text.end(), token.begin(), token.end(),
                    [](char a, char b) { return small(a) == b; });
}

RowDifference::Kind of_tokens(std::string_view was, std::string_view is) {
  using enum RowDifference::Kind;
  const auto is_scalar = [](std::string_view token) { return token[0] == '"' || is_in_word(token[0]); };
  if (was == is) return none;
  if (!is_scalar(was) || !is_scalar(is) || was == "null" || is == "null") return other_values;
  const std::optional<json::Number> a = number_of(was);
  const std::optional<json::Number> b = number_of(is);
  if (a && b) {
    if (compare_numbers(a->kind, a->payload, b->kind, b->payload) == 0) return none;
    return a->kind != b->kind && json::double_of(was) == json::double_of(is) ? other_kinds : other_values;
  }
  return is_text_of(was, is) || is_text_of(is, was) ? other_kinds : other_values;
}

}  // namespace

RowDifference difference_of(std::string_view was, std::string_view is) {
  RowDifference found;
  if (was == is) return found;
  std::string_view field;
  std::size_t a = 0;
  std::size_t b = 0;
  while (a < was.size() && b < is.size()) {
    const std::string_view before = token_at(was, a);
    const std::string_view now = token_at(is, b);
    a += before.size();
    b += now.size();
    const RowDifference::Kind kind = of_tokens(before, now);
    if (kind == RowDifference::Kind::other_values) return {kind, {}};
    if (kind == RowDifference::Kind::other_kinds && found.kind == RowDifference::Kind::none)
      found = {kind, fmt::format("{}: {} and {}", field, before, now)};
    if (before[0] == '"' && a < was.size() && was[a] == ':') field = before;
  }
  if (a < was.size() || b < is.size()) return {RowDifference::Kind::other_values, {}};
  return found;
}

std::size_t difference_hash(std::string_view row) {
  std::size_t hash = 0;
  for (std::size_t at = 0; at < row.size();) {
    const std::string_view token = token_at(row, at);
    at += token.size();
    std::size_t of_token = 14695981039346656037u;  // FNV-1a
    if (const auto number = float_in(token)) {
      of_token = std::hash<double>{}(*number);
    } else {
      for (const char c : without_quotes(token))
        of_token = (of_token ^ static_cast<unsigned char>(small(c))) * 1099511628211u;
    }
    hash = hash * 1099511628211u + of_token;
  }
  return hash;
}

}  // namespace tiderace
