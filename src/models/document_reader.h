#pragma once

#include <cctype>
#include <cstddef>
#include <string>
#include <string_view>

#include "base/error.h"
#include "models/document.h"

namespace tiderace {

/// What the readers of both formats share: a bounded cursor, the path of the value that is being read, and
/// the limit of depth.
class DocumentReader {
 protected:
  DocumentReader(std::string_view bytes, DocumentVisitor& visitor) : visitor_(visitor), bytes_(bytes) {}

  [[noreturn]] void fail(std::string_view wanted) const {
    const bool at_end = position_ >= bytes_.size();
    const unsigned char byte = at_end ? 0 : static_cast<unsigned char>(bytes_[position_]);
    throw_error(ErrorKind::config, "byte {}: wanted {}, found {}", position_, wanted,
                at_end               ? std::string("the end of the file")
                : std::isprint(byte) ? fmt::format("'{}'", static_cast<char>(byte))
                                     : fmt::format("the byte 0x{:02x}", byte));
  }
  [[nodiscard]] bool at_end() const noexcept { return position_ >= bytes_.size(); }
  [[nodiscard]] std::size_t left() const noexcept { return bytes_.size() - position_; }
  /// The next byte, or 0 at the end.
  [[nodiscard]] char peek() const noexcept { return at_end() ? '\0' : bytes_[position_]; }
  [[nodiscard]] bool skip(char expected) noexcept {
    if (at_end() || bytes_[position_] != expected) return false;
    ++position_;
    return true;
  }
  [[nodiscard]] std::string_view take(std::size_t size, std::string_view wanted) {
    if (size > left()) {
      position_ = bytes_.size();
      fail(wanted);
    }
    position_ += size;
    return bytes_.substr(position_ - size, size);
  }

  /// Makes the path longer by a member's name, and the depth by one, for its lifetime.
  class Inside {
   public:
    Inside(DocumentReader& reader, std::string_view name) : reader_(reader), size_(reader.path_.size()) {
      if (++reader_.depth_ > max_depth) reader_.fail("at most 64 levels of nesting");
      if (name.empty()) return;
      if (size_ != 0) reader_.path_ += '.';
      reader_.path_ += name;
    }
    ~Inside() {
      reader_.path_.resize(size_);
      --reader_.depth_;
    }
    Inside(const Inside&) = delete;
    Inside& operator=(const Inside&) = delete;

   private:
    DocumentReader& reader_;
    std::size_t size_;
  };

  static constexpr int max_depth = 64;
  DocumentVisitor& visitor_;
  std::string_view bytes_;
  std::size_t position_ = 0;
  std::string path_;
  int depth_ = 0;
};

void walk_json(std::string_view bytes, DocumentVisitor& visitor);
void walk_ubjson(std::string_view bytes, DocumentVisitor& visitor);

}  // namespace tiderace
