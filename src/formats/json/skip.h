#pragma once

#include <vector>

#include "formats/json/number.h"
#include "formats/json/text.h"

/// Checks values without converting them. Scanners as in text.h, all padded.
namespace tiderace::json {

/// Which of the containers that are open are objects: a stack of bits, so that no nesting needs recursion.
class Nesting {
 public:
  /// `max_depth` is at least 1.
  explicit Nesting(int max_depth) : max_depth_(max_depth) {}

  [[nodiscard]] int max_depth() const noexcept { return max_depth_; }
  void set(std::size_t level, bool object) {
    if (level / 64 >= words_.size()) words_.resize(level / 64 + 1);
    const std::uint64_t bit = std::uint64_t{1} << (level % 64);
    words_[level / 64] = object ? words_[level / 64] | bit : words_[level / 64] & ~bit;
  }
  [[nodiscard]] bool object(std::size_t level) const noexcept {
    return (words_[level / 64] >> (level % 64) & 1) != 0;
  }

 private:
  int max_depth_;
  std::vector<std::uint64_t> words_;
};

/// Behind the literal at `p`.
TIDERACE_INLINE const Byte* literal_end(const Byte* p) noexcept {
  if (std::memcmp(p, "true", 4) == 0 || std::memcmp(p, "null", 4) == 0) return p + 4;
  return std::memcmp(p, "false", 5) == 0 ? p + 5 : nullptr;
}

/// Behind the string, number or literal at `p` (p < end).
template <class Instructions>
TIDERACE_INLINE const Byte* scalar_end(const Byte* p, const Byte* end) noexcept {
  if (starts_number(*p)) return number_end<Instructions>(p, end);
  bool escaped = false;
  if (*p == '"') return string_end<Instructions>(p + 1, end, escaped);
  return literal_end(p);
}

/// At the value of the member whose name should begin at `p`; reads nothing behind `end` that it accepts.
template <class Instructions>
TIDERACE_INLINE const Byte* member_value(const Byte* p, const Byte* end) noexcept {
  if (p >= end || *p != '"') return nullptr;
  bool escaped = false;
  p = string_end<Instructions>(p + 1, end, escaped);
  if (p == nullptr) return nullptr;
  p = skip_white_space(p, end);
  return p < end && *p == ':' ? skip_white_space(p + 1, end) : nullptr;
}

/// Behind the object or array at `p`, which `depth` containers hold.
template <class Instructions>
TIDERACE_OUTLINE const Byte* nested_end(const Byte* p, const Byte* end, Nesting& nesting, int depth) {
  std::size_t level = 0;
  for (;;) {  // at a value
    if (p == nullptr || p >= end) return nullptr;
    if (*p == '{' || *p == '[') {
      if (depth + static_cast<int>(level) >= nesting.max_depth()) return nullptr;
      const bool object = *p == '{';
      nesting.set(level++, object);
      p = skip_white_space(p + 1, end);
      if (p >= end) return nullptr;
      if (*p != (object ? '}' : ']')) {
        if (object) p = member_value<Instructions>(p, end);
        continue;
      }
    } else {
      p = scalar_end<Instructions>(p, end);
      if (p == nullptr) return nullptr;
    }
    for (;;) {  // behind a value, or at the end of an empty container
      p = skip_white_space(p, end);
      if (p >= end) return nullptr;
      if (*p != (nesting.object(level - 1) ? '}' : ']')) break;
      ++p;
      if (--level == 0) return p;
    }
    if (*p != ',') return nullptr;
    p = skip_white_space(p + 1, end);
    if (nesting.object(level - 1)) p = member_value<Instructions>(p, end);
  }
}

/// Behind the value at `p` (p < end), which `depth` containers hold.
template <class Instructions>
TIDERACE_INLINE const Byte* value_end(const Byte* p, const Byte* end, Nesting& nesting, int depth) {
  if (*p == '{' || *p == '[') return nested_end<Instructions>(p, end, nesting, depth);
  return scalar_end<Instructions>(p, end);
}

}  // namespace tiderace::json
