#include <charconv>
#include <cstdint>

#include "models/document_reader.h"

namespace tiderace {
namespace {

void append_utf8(std::string& out, std::uint32_t point) {
  const auto add = [&out](std::uint32_t byte) { out += static_cast<char>(static_cast<unsigned char>(byte)); };
  if (point < 0x80) return add(point);
  if (point < 0x800) {
    add(0xC0 | (point >> 6));
  } else {
    if (point < 0x10000) {
      add(0xE0 | (point >> 12));
    } else {
      add(0xF0 | (point >> 18));
      add(0x80 | ((point >> 12) & 0x3F));
    }
    add(0x80 | ((point >> 6) & 0x3F));
  }
  add(0x80 | (point & 0x3F));
}

class JsonReader : DocumentReader {
 public:
  JsonReader(std::string_view bytes, DocumentVisitor& visitor) : DocumentReader(bytes, visitor) {}

  void document() {
    skip_space();
    if (peek() != '{') fail("the opening brace of a JSON or UBJSON object");
    value();
    skip_space();
    if (!at_end()) fail("nothing behind the closing brace");
  }

 private:
  void skip_space() noexcept {
    while (peek() == ' ' || peek() == '\n' || peek() == '\r' || peek() == '\t') ++position_;
  }

  void value() {
    switch (peek()) {
      case '{':
        return object();
      case '[':
        return array();
      case '"':
        return visitor_.text(path_, string());
      case 't':
        return word("true");
      case 'f':
        return word("false");
      case 'n':
        return word("null");
      case 'N':
        return word("NaN");
      case 'I':
        return word("Infinity");
      default:
        return number();
    }
  }

  void object() {
    ++position_;
    skip_space();
    if (skip('}')) return visitor_.object(path_);
    do {
      skip_space();
      if (peek() != '"') fail("a member's name in quotes");
      const Inside inside(*this, string());
      skip_space();
      if (!skip(':')) fail("a colon behind the member's name");
      skip_space();
      value();
      skip_space();
    } while (skip(','));
    if (!skip('}')) fail("a comma or the closing brace");
    visitor_.object(path_);
  }

  void array() {
    const Inside inside(*this, {});
    ++position_;
    skip_space();
    std::size_t size = 0;
    if (!skip(']')) {
      do {
        skip_space();
        value();
        ++size;
        skip_space();
      } while (skip(','));
      if (!skip(']')) fail("a comma or the closing bracket");
    }
    visitor_.array(path_, size);
  }

  void word(std::string_view expected) {
    if (bytes_.substr(position_, expected.size()) != expected) fail(expected);
    position_ += expected.size();
  }

  void number() {
    if (bytes_.substr(position_, 9) == "-Infinity") {
      position_ += 9;
      return;
    }
    double parsed = 0;
    const char* begin = bytes_.data() + position_;
    const bool starts_well = peek() == '-' || (peek() >= '0' && peek() <= '9');
    const auto [end, error] = std::from_chars(begin, bytes_.data() + bytes_.size(), parsed);
    if (!starts_well || error == std::errc::invalid_argument) fail("a value");
    position_ += static_cast<std::size_t>(end - begin);
    visitor_.number(path_, parsed);
  }

  std::uint32_t hexadecimal() {
    const std::string_view digits = take(4, "four hexadecimal digits");
    std::uint32_t parsed = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), parsed, 16);
    if (error != std::errc() || end != digits.data() + digits.size())
      fail("four hexadecimal digits before this");
    return parsed;
  }

  void escape() {
    constexpr std::string_view names = "\"\\/bfnrt";
    constexpr std::string_view meanings = "\"\\/\b\f\n\r\t";
    if (skip('u')) {
      std::uint32_t point = hexadecimal();
      if (point >= 0xD800 && point < 0xDC00 && bytes_.substr(position_, 2) == "\\u") {
        position_ += 2;
        point = 0x10000 + ((point - 0xD800) << 10) + ((hexadecimal() - 0xDC00) & 0x3FF);
      }
      return append_utf8(text_, point);
    }
    const std::size_t known = at_end() ? std::string_view::npos : names.find(peek());
    if (known == std::string_view::npos) fail("an escaped character");
    text_ += meanings[known];
    ++position_;
  }

  /// Valid until the next string.
  std::string_view string() {
    ++position_;
    text_.clear();
    while (!skip('"')) {
      if (at_end()) fail("the closing quote of a string");
      if (skip('\\')) {
        escape();
      } else {
        text_ += bytes_[position_++];
      }
    }
    return text_;
  }

  std::string text_;
};

}  // namespace

void walk_json(std::string_view bytes, DocumentVisitor& visitor) {
  JsonReader(bytes, visitor).document();
}

}  // namespace tiderace
