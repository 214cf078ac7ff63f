#pragma once

#include <cstddef>
#include <memory>

#include "state/window/moments.h"
#include "state/window/row_page.h"

namespace tiderace {

/// What a window needs to know of the values of one column in a range of rows.
struct ColumnSummary {
  Moments moments;
  WindowValue minimum;  ///< null if there is no value
  WindowValue maximum;

  void add(WindowValue value, bool squares) {
    if (value.kind == Kind::null) return;
    moments.add(value, squares);
    widen(value, value);
  }
  void add(const ColumnSummary& other) {
    if (other.minimum.kind == Kind::null) return;
    moments.add(other.moments);
    widen(other.minimum, other.maximum);
  }
  void widen(WindowValue low, WindowValue high) {
    if (minimum.kind == Kind::null || less(low, minimum)) minimum = low;
    if (maximum.kind == Kind::null || less(maximum, high)) maximum = high;
  }
};

/// The same for all columns.
class RowSummary {
 public:
  explicit RowSummary(std::size_t columns)
      : columns_(std::make_unique<ColumnSummary[]>(columns)), size_(columns) {}

  [[nodiscard]] ColumnSummary& operator[](std::size_t column) noexcept { return columns_[column]; }
  void clear() {
    for (std::size_t c = 0; c < size_; ++c) columns_[c] = {};
  }
  void add(RowPage& page, std::uint32_t row, bool squares) {
    for (std::size_t c = 0; c < size_; ++c) columns_[c].add(page.value(row, c), squares);
  }
  void add(const RowSummary& other) {
    for (std::size_t c = 0; c < size_; ++c) columns_[c].add(other.columns_[c]);
  }
  /// Adds the rows of `page` in (after, until]. Returns how many rows it looked at.
  std::size_t add_range(RowPage& page, std::int64_t after, std::int64_t until, bool squares);

 private:
  std::unique_ptr<ColumnSummary[]> columns_;
  std::size_t size_;
};

}  // namespace tiderace
