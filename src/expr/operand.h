#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "columnar/batch.h"
#include "columnar/column.h"
#include "columnar/describe.h"

namespace tiderace {

/// What a kernel reads: a column as long as the batch, or one value (a column of one row) that stands for
/// every row.
class Operand {
 public:
  explicit Operand(Column column, bool constant = false) : column_(std::move(column)), constant_(constant) {}

  [[nodiscard]] const Column& column() const noexcept { return column_; }
  [[nodiscard]] bool constant() const noexcept { return constant_; }
  /// Where row `i` of the batch stands in `column()`.
  [[nodiscard]] std::size_t at(std::size_t i) const noexcept { return constant_ ? 0 : i; }
  [[nodiscard]] Kind kind(std::size_t i) const noexcept { return column_.kind(at(i)); }
  [[nodiscard]] KindMask mask() const noexcept { return column_.mask(); }
  /// Whether no row is anything but `kind` or null, and there is a row that is not null.
  [[nodiscard]] bool only(Kind kind) const noexcept { return column_.mask() == mask_of(kind); }
  [[nodiscard]] bool numbers_only() const noexcept { return (column_.mask() & ~number_mask) == 0; }

 private:
  Column column_;
  bool constant_;
};

/// `operand` as a column of `size` rows.
[[nodiscard]] Column expanded(const Operand& operand, std::size_t size);

/// Reports that `operation` met a value that it cannot take: `abs: wanted a number, found the string "high"`.
void report_type(RowErrors& errors, std::size_t row, std::string_view operation, std::string_view wanted,
                 const Operand& found);

}  // namespace tiderace
