#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tiderace::plan {

/// Where something stands in a plan text, from 1; columns count bytes.
struct Position {
  int line = 1;
  int column = 1;
};

enum class TokenKind : std::uint8_t { name, integer, floating, string, symbol, line_end, text_end };

struct Token {
  TokenKind kind = TokenKind::text_end;
  std::string text;  ///< of a string: what it stands for, in UTF-8
  Position position;
  [[nodiscard]] bool is(std::string_view symbol) const { return kind == TokenKind::symbol && text == symbol; }
  /// For messages: `the end of the line`, `"abc"`.
  [[nodiscard]] std::string shown() const;
};

/// Throws Error{plan} that begins with the place.
[[noreturn]] void refuse_text(Position position, const std::string& message);

/// The tokens of a plan text, the last one a text_end. Line ends inside brackets and of empty lines are left
/// out, as in Python. Throws Error{plan} for what is no token.
[[nodiscard]] std::vector<Token> tokens_of(std::string_view text);

}  // namespace tiderace::plan
