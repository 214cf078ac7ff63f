#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "state/window/moments.h"

namespace tiderace {

struct PageTreeNode;

/// Up to 32 rows of one key, sorted by position, in a list of pages in the same order. A row is 1 + columns
/// words (position, then a payload a column), so that what one step of a window touches lies together; kinds
/// stand behind the rows.
struct RowPage {
  static constexpr std::uint32_t full = 32;

  RowPage* previous = nullptr;
  RowPage* next = nullptr;
  std::uint64_t number = 0;      ///< its name in the store; never used again for the key
  PageTreeNode* node = nullptr;  ///< see PageTree; owned by the page
  std::uint16_t size = 0;
  std::uint16_t capacity = 0;
  std::uint16_t columns = 0;
  bool stored = false;   ///< whether the store (or a flush before) has a record of it
  bool listed = false;   ///< whether the next flush looks at it
  bool dropped = false;  ///< freed while listed: the flush gives it back

  [[nodiscard]] std::uint64_t* row(std::uint32_t i) noexcept {
    return reinterpret_cast<std::uint64_t*>(this + 1) + i * (columns + 1u);
  }
  [[nodiscard]] std::int64_t position(std::uint32_t i) noexcept { return static_cast<std::int64_t>(*row(i)); }
  [[nodiscard]] std::int64_t first_position() noexcept { return position(0); }
  [[nodiscard]] std::int64_t last_position() noexcept { return position(size - 1u); }
  [[nodiscard]] Kind* kinds(std::uint32_t i) noexcept {
    return reinterpret_cast<Kind*>(row(capacity)) + i * columns;
  }
  [[nodiscard]] WindowValue value(std::uint32_t i, std::size_t column) noexcept {
    return {kinds(i)[column], row(i)[column + 1]};
  }
  /// The number of rows at or before `at`.
  [[nodiscard]] std::uint32_t rows_until(std::int64_t at) noexcept {
    std::uint32_t count = size;
    while (count > 0 && position(count - 1) > at) --count;
    return count;
  }
  /// Appends a row. There is room.
  void push(std::int64_t position, const WindowValue* values) noexcept {
    std::uint64_t* const words = row(size);
    Kind* const kind = kinds(size);
    words[0] = static_cast<std::uint64_t>(position);
    for (std::size_t c = 0; c < columns; ++c) {
      words[c + 1] = values[c].payload;
      kind[c] = values[c].kind;
    }
    ++size;
  }
  /// Puts a row before row `i`. There is room.
  void insert(std::uint32_t i, std::int64_t position, std::span<const WindowValue> values) noexcept;
  /// Appends rows [begin, end) of `other`. There is room.
  void append(RowPage& other, std::uint32_t begin, std::uint32_t end) noexcept;
};

/// Gives out pages of 4, 8, 16 or 32 rows and takes them back: no allocation a row. One thread.
class RowPagePool {
 public:
  explicit RowPagePool(std::size_t columns) : columns_(columns) {}

  /// An empty page of at least `rows` (up to 32) rows.
  [[nodiscard]] RowPage* take(std::uint32_t rows);
  void give(RowPage* page) noexcept;
  /// Bytes of the pages given out.
  [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }

 private:
  [[nodiscard]] std::size_t page_bytes(std::uint32_t capacity) const noexcept;

  std::size_t columns_;
  RowPage* free_[4] = {};
  std::vector<std::unique_ptr<std::byte[]>> chunks_;
  std::byte* at_ = nullptr;
  std::size_t left_ = 0;
  std::size_t bytes_ = 0;
};

}  // namespace tiderace
