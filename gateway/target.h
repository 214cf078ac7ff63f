#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tiderace::gateway {

/// The next offset to read, by topic and partition.
using Positions = std::map<std::pair<std::string, std::int32_t>, std::int64_t>;

constexpr std::size_t max_positions = 10'000;  ///< that a client may send at once

/// `alerts:0:17,alerts:1:30`; nullopt for anything else. Texts of more than `most` are none.
[[nodiscard]] std::optional<Positions> parse_positions(std::string_view text,
                                                       std::size_t most = max_positions);
[[nodiscard]] std::string to_string(const Positions& positions);
/// The positions of `{"position": "..."}`, the only message of a reader; spaces may stand between its tokens.
/// Nullopt for anything else.
[[nodiscard]] std::optional<Positions> parse_position_message(std::string_view message);

/// The target of a request: `/v1/topics/a%20b?key=x`, unescaped. Nothing of it is checked beyond its form.
struct Target {
  std::string path;
  std::vector<std::pair<std::string, std::string>> query;  ///< in order; a name may stand more than once

  /// The first value of `name`.
  [[nodiscard]] const std::string* find(std::string_view name) const;
};

/// Nullopt where an escape is no escape, or a control character or a byte that is not UTF-8 comes out.
[[nodiscard]] std::optional<Target> parse_target(std::string_view text);

/// `text` at its commas; empty parts are left out.
[[nodiscard]] std::vector<std::string> split(std::string_view text);

/// 1 to 64 of A-Z a-z 0-9 . _ -
[[nodiscard]] bool is_session_name(std::string_view text);

/// Whether `pattern` stands for `text`: it is equal, or ends with `*` and `text` begins with what is before.
[[nodiscard]] bool matches(std::string_view pattern, std::string_view text);
[[nodiscard]] bool matches_any(const std::vector<std::string>& patterns, std::string_view text);

}  // namespace tiderace::gateway
