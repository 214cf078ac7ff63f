#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "state/window/moments.h"

namespace tiderace {

/// The values of a window that can still become its minimum (or maximum), by position, the present one in
/// front. A ring that doubles: amortised O(1) a value that comes in order.
class MonotonicQueue {
 public:
  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
  [[nodiscard]] WindowValue front() const noexcept { return at(0).value(); }
  void clear() noexcept { size_ = 0; }

  /// Appends a value that is not before any other. Returns how many entries it looked at.
  template <bool Minimum>
  std::uint32_t push(std::int64_t position, WindowValue value) {
    const std::uint32_t before = size_;
    while (size_ > 0 && !beats<Minimum>(at(size_ - 1).value(), value)) --size_;
    const std::uint32_t looked_at = before - size_ + 1;
    if (size_ == capacity_) grow();
    at(size_++) = {position, value.payload, value.kind};
    return looked_at;
  }

  /// Puts in a value that others come after. Returns false if more than `limit` would have to move; the queue
  /// is then wrong.
  template <bool Minimum>
  [[nodiscard]] bool insert(std::int64_t position, WindowValue value, std::size_t limit);

  /// Drops what is not after `limit`.
  void expire(std::int64_t limit) noexcept {
    while (size_ > 0 && at(0).position <= limit) {
      begin_ = (begin_ + 1) & (capacity_ - 1);
      --size_;
    }
  }
  [[nodiscard]] std::size_t bytes() const noexcept { return capacity_ * sizeof(Entry); }

 private:
  struct Entry {
    std::int64_t position;
    std::uint64_t payload;
    Kind kind;
    [[nodiscard]] WindowValue value() const noexcept { return {kind, payload}; }
  };
  template <bool Minimum>
  static bool beats(WindowValue a, WindowValue b) noexcept {
    return Minimum ? less(a, b) : less(b, a);
  }
  [[nodiscard]] Entry& at(std::size_t i) noexcept { return ring_[(begin_ + i) & (capacity_ - 1)]; }
  [[nodiscard]] const Entry& at(std::size_t i) const noexcept {
    return ring_[(begin_ + i) & (capacity_ - 1)];
  }
  void grow();

  std::unique_ptr<Entry[]> ring_;
  std::uint32_t capacity_ = 0;
  std::uint32_t begin_ = 0;
  std::uint32_t size_ = 0;
};

}  // namespace tiderace
