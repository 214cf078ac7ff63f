#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "columnar/batch.h"
#include "runtime/stage.h"

namespace tiderace {

/// Rows of a table for a backtest. Its functions may be called from several threads at once, `interrupt`
/// from the one that calls `run_backtest`.
struct BacktestInput {
  /// Rows [begin, begin + size) of the value at a path of the table.
  std::function<Column(std::span<const std::string> path, std::size_t begin, std::size_t size)> column;
  std::size_t rows = 0;
  std::vector<RowErrors::Entry> bad;     ///< rows that could not be read: policy applies; ascending
  std::optional<std::string> timestamp;  ///< a column of event times; unset: the rows have none
  /// The event times of values of that column, in nanoseconds; what is none is an error, and 0.
  std::function<std::vector<std::int64_t>(const Column& values, RowErrors& errors)> event_times;
  std::optional<std::string> key;  ///< a column of strings or integers; unset: the rows have no key
  std::size_t batch_rows = 0;      ///< 0: the engine's choice
  std::size_t threads = 0;         ///< 0: the engine's choice; more than one only where the plan allows it
  bool progress = false;
  std::function<void()> interrupt =
      {};  ///< called now and then, on the calling thread; what it throws ends the backtest
};

/// What reached the end of the frame, in input order.
struct BacktestResult {
  struct Field {
    std::string name;
    std::optional<Column> column;  ///< unset: rows `rows` of the input's column `table_column`
    std::size_t table_column = 0;
  };
  std::vector<std::uint32_t> rows;  ///< the input row of each row
  std::vector<Field> fields;
  std::vector<std::string>
      documents;  ///< where rows are documents that a function returned: their JSON text, and no fields
  bool is_documents = false;
};

/// Runs `stage` (made by `resolve_backtest`) over `input`, without log and clock; nothing is written, no
/// state is left. Throws Error{bad_row} under the policy `stop`, with the row number as offset; `summary`
/// then counts the rows before it, and it.
///
/// A long table is shared among threads by key, each of which runs the plan over the rows of its own keys, as
/// tasks share the partitions of a topic; the result is the same bit for bit. Code of the user is only
/// ever called on the calling thread, with rows in order.
[[nodiscard]] BacktestResult run_backtest(const RuntimeContext& context, Stage& stage,
                                          const BacktestInput& input, Summary& summary);

}  // namespace tiderace
