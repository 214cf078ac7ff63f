#pragma once

#include <tiderace/table.h>

#include <vector>

#include "columnar/batch.h"

namespace tiderace::python {

/// Rows for a backtest, and those of them that could not be read (they are null in the table).
struct InputTable {
  Table table;
  std::vector<RowErrors::Entry> bad = {};
};

}  // namespace tiderace::python
