#include "plan/parse/tokens.h"

#include <fmt/format.h>

#include <array>
#include <optional>

#include "base/error.h"
#include "expr/text/spelling.h"
#include "expr/text/utf8.h"

namespace tiderace::plan {
namespace {

constexpr std::size_t longest_text = std::size_t{4} << 20;

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool begins_name(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

void append_utf8(std::string& out, std::uint32_t point) {
  const auto add = [&out](std::uint32_t byte) { out += static_cast<char>(static_cast<unsigned char>(byte)); };
  if (point < 0x80) {
    add(point);
  } else if (point < 0x800) {
    add(0xC0 | (point >> 6));
    add(0x80 | (point & 0x3F));
  } else if (point < 0x10000) {
    add(0xE0 | (point >> 12));
    add(0x80 | ((point >> 6) & 0x3F));
    add(0x80 | (point & 0x3F));
  } else {
    add(0xF0 | (point >> 18));
    add(0x80 | ((point >> 12) & 0x3F));
    add(0x80 | ((point >> 6) & 0x3F));
    add(0x80 | (point & 0x3F));
  }
}

class Tokenizer {
 public:
  explicit Tokenizer(std::string_view text) : text_(text) {}

  std::vector<Token> run() {
    while (at_ < text_.size()) step();
    if (!open_.empty()) refuse_text(open_.back(), "a bracket is not closed before the end of the text");
    end_line();
    tokens_.push_back({TokenKind::text_end, "", position()});
    return std::move(tokens_);
  }

 private:
  [[nodiscard]] Position position() const { return {line_, static_cast<int>(at_ - line_begin_) + 1}; }
  [[nodiscard]] char peek(std::size_t ahead = 0) const {
    return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0';
  }

  void end_line() {
    if (!tokens_.empty() && tokens_.back().kind != TokenKind::line_end) {
      tokens_.push_back({TokenKind::line_end, "", position()});
    }
  }

  void new_line() {
    if (open_.empty()) end_line();
    ++at_;
    ++line_;
    line_begin_ = at_;
  }

  void step() {
    const char c = text_[at_];
    if (c == '\n') return new_line();
    if (c == ' ' || c == '\t' || c == '\r') return blank();
    if (c == '#') {
      while (at_ < text_.size() && text_[at_] != '\n') ++at_;
    } else if (is_digit(c) || (c == '.' && is_digit(peek(1)))) {
      number();
    } else if (c == '"' || c == '\'') {
      string(false);
    } else if (c == 'r' && (peek(1) == '"' || peek(1) == '\'')) {
      ++at_;
      string(true);
    } else if (begins_name(c)) {
      name();
    } else {
      symbol();
    }
  }

  void blank() {
    const bool first = at_ == line_begin_;
    const Position begin = position();
    while (peek() == ' ' || peek() == '\t' || peek() == '\r') ++at_;
    const bool nothing = at_ == text_.size() || peek() == '\n' || peek() == '#';
    if (first && open_.empty() && !nothing)
      refuse_text(begin, "wanted a statement at the beginning of the line, found white space");
  }

  void name() {
    const Position begin = position();
    const std::size_t from = at_;
    while (begins_name(peek()) || is_digit(peek())) ++at_;
    tokens_.push_back({TokenKind::name, std::string(text_.substr(from, at_ - from)), begin});
  }

  void number() {
    const Position begin = position();
    const std::size_t from = at_;
    bool floating = false;
    const auto digits = [&] {
      while (is_digit(peek())) ++at_;
    };
    digits();
    if (peek() == '.') {
      floating = true;
      ++at_;
      digits();
    }
    const std::size_t sign = peek(1) == '+' || peek(1) == '-' ? 1 : 0;
    if ((peek() == 'e' || peek() == 'E') && is_digit(peek(1 + sign))) {
      floating = true;
      at_ += 1 + sign;
      digits();
    }
    const std::string_view found = text_.substr(from, at_ - from);
    if (begins_name(peek()))
      refuse_text(position(),
                  fmt::format("wanted an operator after the number {}, found \"{}\"", found, peek()));
    if (!floating && found.size() > 1 && found[0] == '0') {
      refuse_text(begin, fmt::format("a number does not begin with 0; found {}", found));
    }
    tokens_.push_back({floating ? TokenKind::floating : TokenKind::integer, std::string(found), begin});
  }

  void string(bool raw) {
    const Position begin = position();
    const char quote = text_[at_++];
    std::string value;
    while (peek() != quote) {
      if (at_ == text_.size() || peek() == '\n') refuse_text(begin, "the string does not end on its line");
      if (peek() != '\\') {
        value += text_[at_++];
      } else if (raw) {
        value += text_[at_++];
        if (at_ < text_.size() && peek() != '\n') value += text_[at_++];
      } else {
        escape(value);
      }
    }
    ++at_;
    if (!is_utf8(value)) refuse_text(begin, "the string is not UTF-8");
    tokens_.push_back({TokenKind::string, std::move(value), begin});
  }

  void escape(std::string& value) {
    const Position begin = position();
    ++at_;
    const char c = peek();
    ++at_;
    switch (c) {
      case 'n':
        value += '\n';
        return;
      case 'r':
        value += '\r';
        return;
      case 't':
        value += '\t';
        return;
      case '\\':
      case '"':
      case '\'':
        value += c;
        return;
      case 'x':
        return code_point(value, 2, begin);
      case 'u':
        return code_point(value, 4, begin);
      case 'U':
        return code_point(value, 8, begin);
      default:
        refuse_text(begin,
                    "wanted one of the escapes \\\\ \\\" \\' \\n \\r \\t \\x41 \\u0041 \\U00000041; write a "
                    "regular expression as "
                    "r\"...\"");
    }
  }

  void code_point(std::string& value, int digits, Position begin) {
    std::uint32_t point = 0;
    for (int i = 0; i < digits; ++i) {
      const char c = peek();
      const bool lower = c >= 'a' && c <= 'f';
      if (!is_digit(c) && !lower && !(c >= 'A' && c <= 'F'))
        refuse_text(begin, fmt::format("wanted {} hexadecimal digits", digits));
      point = point * 16 + static_cast<std::uint32_t>(is_digit(c) ? c - '0'
                                                      : lower     ? c - 'a' + 10
                                                                  : c - 'A' + 10);
      ++at_;
    }
    if (point > 0x10FFFF || (point >= 0xD800 && point < 0xE000))
      refuse_text(begin, "the escape stands for no character");
    append_utf8(value, point);
  }

  void symbol() {
    static constexpr std::array<std::string_view, 26> symbols{
        "**", "//", "==", "!=", "<=", ">=", "+", "-", "*", "/", "%", "<", ">",
        "&",  "|",  "~",  "=",  "(",  ")",  "[", "]", "{", "}", ",", ":", "."};
    for (const std::string_view symbol : symbols) {
      if (!text_.substr(at_).starts_with(symbol)) continue;
      if (symbol == "(" || symbol == "[" || symbol == "{") open_.push_back(position());
      if (symbol == ")" || symbol == "]" || symbol == "}") {
        if (open_.empty()) refuse_text(position(), fmt::format("\"{}\" closes nothing", symbol));
        open_.pop_back();
      }
      tokens_.push_back({TokenKind::symbol, std::string(symbol), position()});
      at_ += symbol.size();
      return;
    }
    const unsigned char byte = static_cast<unsigned char>(text_[at_]);
    refuse_text(position(), byte > 0x20 && byte < 0x7f
                                ? fmt::format("found the character \"{}\", which no plan has", text_[at_])
                                : fmt::format("found the byte 0x{:02x}, which stands only in strings", byte));
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::size_t line_begin_ = 0;
  int line_ = 1;
  std::vector<Position> open_;  // the brackets around `at_`
  std::vector<Token> tokens_;
};

}  // namespace

std::string Token::shown() const {
  switch (kind) {
    case TokenKind::line_end:
      return "the end of the line";
    case TokenKind::text_end:
      return "the end of the text";
    case TokenKind::string:
      return "the string " + quoted(text);
    case TokenKind::name:
    case TokenKind::integer:
    case TokenKind::floating:
    case TokenKind::symbol:
      return fmt::format("`{}`", text);
  }
  return {};
}

void refuse_text(Position position, const std::string& message) {
  throw_error(ErrorKind::plan, "plan text line {}, column {}: {}", position.line, position.column, message);
}

std::vector<Token> tokens_of(std::string_view text) {
  if (text.size() > longest_text)
    throw_error(ErrorKind::plan, "a plan text is at most {} bytes, found {}", longest_text, text.size());
  return Tokenizer(text).run();
}

}  // namespace tiderace::plan
