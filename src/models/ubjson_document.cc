#include <cstdint>
#include <cstring>

#include "models/document_reader.h"

namespace tiderace {
namespace {

/// Bytes of a number or character of this type; 0 for types of no fixed size.
constexpr std::size_t size_of(char type) noexcept {
  switch (type) {
    case 'i':
    case 'U':
    case 'C':
      return 1;
    case 'I':
      return 2;
    case 'l':
    case 'd':
      return 4;
    case 'L':
    case 'D':
      return 8;
    default:
      return 0;
  }
}

/// UBJSON, draft 12: a value is a type marker and its bytes, big-endian; a container may say its size (`#`)
/// and the type of all its elements (`$`), and then has no end marker.
class UbjsonReader : DocumentReader {
 public:
  UbjsonReader(std::string_view bytes, DocumentVisitor& visitor) : DocumentReader(bytes, visitor) {}

  void document() {
    if (!skip('{')) fail("the opening brace of an object");
    object();
    if (!at_end()) fail("nothing behind the closing brace");
  }

 private:
  struct Header {
    char type = 0;  ///< 0: each element has its own
    bool counted = false;
    std::size_t size = 0;
  };

  char marker(std::string_view wanted) {
    while (skip('N')) {  // a no-op may stand anywhere a marker may
    }
    if (at_end()) fail(wanted);
    return bytes_[position_++];
  }

  std::int64_t integer(char type) {
    const std::string_view raw = take(size_of(type), "the bytes of an integer");
    std::uint64_t bits = 0;
    for (const char byte : raw) bits = bits << 8 | static_cast<unsigned char>(byte);
    switch (type) {
      case 'i':
        return static_cast<std::int8_t>(bits);
      case 'I':
        return static_cast<std::int16_t>(bits);
      case 'l':
        return static_cast<std::int32_t>(bits);
      default:
        return static_cast<std::int64_t>(bits);
    }
  }

  std::size_t length() {
    const char type = marker("the type of a length");
    if (type != 'i' && type != 'U' && type != 'I' && type != 'l' && type != 'L') {
      --position_;
      fail("an integer as a length");
    }
    const std::int64_t size = integer(type);
    if (size < 0) fail("a length that is not negative before this");
    return static_cast<std::size_t>(size);
  }

  std::string_view string() {
    const std::size_t size = length();
    return take(size, "as many bytes as the length of the string says");
  }

  Header header() {
    Header found;
    if (skip('$')) found.type = marker("the type of the container's elements");
    if (skip('#')) {
      found.counted = true;
      found.size = length();
    } else if (found.type != 0) {
      fail("the size of a container that has a type");
    }
    // A value takes at least a byte, unless its type is its value; without this a few bytes could ask for
    // years of work.
    if (found.counted && found.size > left()) fail("at most as many elements as bytes are left");
    return found;
  }

  void object() {
    const Header container = header();
    for (std::size_t i = 0; container.counted ? i < container.size : !skip('}'); ++i) {
      const Inside inside(*this, string());
      value(container.type != 0 ? container.type : marker("a member's value"));
    }
    visitor_.object(path_);
  }

  void array() {
    const Inside inside(*this, {});
    const Header container = header();
    std::size_t size = 0;
    if (container.type == 'd' || container.type == 'D') {
      const std::size_t width = size_of(container.type);
      if (container.size > left() / width) fail("as many elements as the array says");
      position_ += container.size * width;
      size = container.size;
    } else {
      for (; container.counted ? size < container.size : !skip(']'); ++size) {
        value(container.type != 0 ? container.type : marker("an element"));
      }
    }
    visitor_.array(path_, size);
  }

  void value(char type) {
    switch (type) {
      case '{':
        return object();
      case '[':
        return array();
      case 'S':
      case 'H':
        return visitor_.text(path_, string());
      case 'Z':
      case 'T':
      case 'F':
        return;
      case 'C':
        return visitor_.text(path_, take(1, "a character"));
      case 'i':
      case 'U':
      case 'I':
      case 'l':
      case 'L':
        return visitor_.number(path_, static_cast<double>(integer(type)));
      case 'd':
        return visitor_.number(path_, floating<float, std::uint32_t>());
      case 'D':
        return visitor_.number(path_, floating<double, std::uint64_t>());
      default:
        --position_;
        fail("the marker of a value");
    }
  }

  template <class Float, class Bits>
  double floating() {
    Bits bits = 0;
    for (const char byte : take(sizeof(Bits), "the bytes of a float")) {
      bits = static_cast<Bits>(bits << 8 | static_cast<unsigned char>(byte));
    }
    Float value = 0;
    std::memcpy(&value, &bits, sizeof value);
    return static_cast<double>(value);
  }
};

}  // namespace

void walk_ubjson(std::string_view bytes, DocumentVisitor& visitor) {
  UbjsonReader(bytes, visitor).document();
}

}  // namespace tiderace
