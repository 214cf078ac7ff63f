#pragma once

#include <tiderace/table.h>

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "api/application_state.h"
#include "plan/frame.h"
#include "runtime/backtest/backtest.h"

namespace tiderace {

struct BacktestRequest {
  Table table;
  std::vector<RowErrors::Entry> bad = {};  ///< rows that could not be read; ascending
  std::optional<std::string> key = {};     ///< the column that holds each row's key
  std::optional<std::string> timestamp =
      {};  ///< the column that holds each row's event time; unset: the topic's, if the table has it
  std::size_t batch_rows = 0;  ///< 0: the engine's choice
  bool progress = false;
  std::function<void()> interrupt =
      {};                   ///< called now and then, on the calling thread; what it throws ends the backtest
  std::size_t threads = 0;  ///< 0: the engine's choice
};

/// Documents of which there are none name no columns: gives such a table those that `frame` reads.
void name_columns_of_nothing(const plan::Frame& frame, BacktestRequest& request);

/// Runs the plan of `frame` over a table and sets the application's summary: the one way to a backtest, for
/// both front ends. Throws Error{plan} where the plan needs a key or a time that the table does not give, and
/// Error{bad_row} under the policy `stop`.
[[nodiscard]] BacktestResult backtest(ApplicationState& application, const plan::Frame& frame,
                                      const BacktestRequest& request);

/// The result as a table: untouched columns are the table's own rows, documents become columns.
[[nodiscard]] Table to_table(const BacktestResult& result, const Table& input);

}  // namespace tiderace
