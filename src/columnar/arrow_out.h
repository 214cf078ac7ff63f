#pragma once

#include <string>
#include <vector>

#include "columnar/arrow_abi.h"
#include "columnar/column.h"

namespace tiderace {

/// A column on its way out. `format` is the Arrow type that it had where it came from (see
/// `ArrowTable::Field`), or empty.
struct ArrowColumn {
  std::string name;
  Column column;
  std::string format = {};
};

/// Makes `out` a stream of one chunk with `columns`, all of `rows` rows. Its consumer calls `release`; the
/// columns live until then (int64 and float64 values are not copied).
///
/// A column's type is `format` if that is an integer, float, text or time type which all of its values fit.
/// Otherwise it is the widest of its values: bool; int64, or double where a value is a float; utf8
/// (large_utf8 beyond 2 GiB) for strings and for nested values, as JSON text; binary; null where there is no
/// value. Throws Error{plan} that names the column, and says `astype`, where values of other kinds stand
/// together, or where a value is Kind::invalid.
void export_arrow(std::vector<ArrowColumn> columns, std::size_t rows, ArrowArrayStream* out);

}  // namespace tiderace
