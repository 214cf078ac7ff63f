#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "columnar/column.h"

namespace tiderace {

/// Rows of a table, by number and ascending, and columns with a value for each, or without rows.
struct KeptRows {
  std::vector<std::uint32_t> rows;
  std::vector<Column> columns;
};

/// The rows of all `shares`, no two of which have one in common, in the order of the table, which has
/// `table_rows`. By as many threads as there are shares, each for a piece of the table.
[[nodiscard]] KeptRows merge(std::span<const KeptRows> shares, std::size_t table_rows);

}  // namespace tiderace
