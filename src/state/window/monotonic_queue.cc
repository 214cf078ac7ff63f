#include "state/window/monotonic_queue.h"

#include <algorithm>

namespace tiderace {

void MonotonicQueue::grow() {
  const std::uint32_t capacity = std::max<std::uint32_t>(4, capacity_ * 2);
  auto ring = std::make_unique_for_overwrite<Entry[]>(capacity);
  for (std::uint32_t i = 0; i < size_; ++i) ring[i] = at(i);
  ring_ = std::move(ring);
  capacity_ = capacity;
  begin_ = 0;
}

template <bool Minimum>
bool MonotonicQueue::insert(std::int64_t position, WindowValue value, std::size_t limit) {
  std::uint32_t behind = size_;  // the first entry that comes after the value
  while (behind > 0 && at(behind - 1).position > position) {
    if (size_ - behind >= limit) return false;
    --behind;
  }
  // One that comes later and is as good stays longer: the value will never be in front.
  if (behind < size_ && !beats<Minimum>(value, at(behind).value())) return true;
  std::uint32_t from = behind;  // the first of those before that the value makes useless
  while (from > 0 && !beats<Minimum>(at(from - 1).value(), value)) {
    if (behind - from >= limit) return false;
    --from;
  }
  if (from == behind) {
    if (size_ == capacity_) grow();
    for (std::uint32_t i = size_++; i > behind; --i) at(i) = at(i - 1);
  } else {
    const std::uint32_t gone = behind - from - 1;
    for (std::uint32_t i = behind; gone > 0 && i < size_; ++i) at(i - gone) = at(i);
    size_ -= gone;
  }
  at(from) = {position, value.payload, value.kind};
  return true;
}

template bool MonotonicQueue::insert<true>(std::int64_t, WindowValue, std::size_t);
template bool MonotonicQueue::insert<false>(std::int64_t, WindowValue, std::size_t);

}  // namespace tiderace
