#include "state/window/row_page.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <new>

namespace tiderace {
namespace {

constexpr std::uint32_t smallest = 4;
constexpr std::size_t chunk_size = 256 << 10;

std::size_t size_class(std::uint32_t capacity) {
  return static_cast<std::size_t>(std::countr_zero(capacity / smallest));
}

}  // namespace

void RowPage::insert(std::uint32_t i, std::int64_t position, std::span<const WindowValue> values) noexcept {
  const std::uint32_t behind = size - i;
  if (behind > 0) {
    std::memmove(row(i + 1), row(i), behind * (columns + 1u) * sizeof(std::uint64_t));
    std::memmove(kinds(i + 1), kinds(i), behind * columns);
  }
  std::uint64_t* const words = row(i);
  Kind* const kind = kinds(i);
  words[0] = static_cast<std::uint64_t>(position);
  for (std::size_t c = 0; c < columns; ++c) {
    words[c + 1] = values[c].payload;
    kind[c] = values[c].kind;
  }
  ++size;
}

void RowPage::append(RowPage& other, std::uint32_t begin, std::uint32_t end) noexcept {
  std::memcpy(row(size), other.row(begin), (end - begin) * (columns + 1u) * sizeof(std::uint64_t));
  std::memcpy(kinds(size), other.kinds(begin), (end - begin) * columns);
  size = static_cast<std::uint16_t>(size + end - begin);
}

std::size_t RowPagePool::page_bytes(std::uint32_t capacity) const noexcept {
  const std::size_t bytes = sizeof(RowPage) + capacity * ((columns_ + 1) * sizeof(std::uint64_t) + columns_);
  return (bytes + 63) / 64 * 64;
}

RowPage* RowPagePool::take(std::uint32_t rows) {
  const std::uint32_t capacity = std::max(smallest, std::bit_ceil(rows));
  const std::size_t bytes = page_bytes(capacity);
  RowPage*& free = free_[size_class(capacity)];
  void* memory = free;
  if (free != nullptr) {
    free = free->next;
  } else {
    if (left_ < bytes) {
      const std::size_t size = std::max(chunk_size, bytes + 64);
      chunks_.push_back(std::make_unique_for_overwrite<std::byte[]>(size));
      at_ = chunks_.back().get();
      left_ = size;
      const std::size_t skip = (64 - reinterpret_cast<std::uintptr_t>(at_) % 64) % 64;
      at_ += skip;
      left_ -= skip;
    }
    memory = at_;
    at_ += bytes;
    left_ -= bytes;
  }
  bytes_ += bytes;
  auto* const page = new (memory) RowPage;
  page->capacity = static_cast<std::uint16_t>(capacity);
  page->columns = static_cast<std::uint16_t>(columns_);
  return page;
}

void RowPagePool::give(RowPage* page) noexcept {
  bytes_ -= page_bytes(page->capacity);
  RowPage*& free = free_[size_class(page->capacity)];
  page->next = free;
  free = page;
}

}  // namespace tiderace
