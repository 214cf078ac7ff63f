#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "formats/json/encoder.h"
#include "runtime/backtest/backtest.h"
#include "runtime/backtest/table_keys.h"
#include "runtime/task.h"

namespace tiderace {

/// One share of a table's rows on their way through the plan, once. One thread.
class Pass {
 public:
  Pass(const RuntimeContext& context, Stage& stage, const BacktestInput& input, const TableKeys& keys,
       std::size_t share);
  Pass(const Pass&) = delete;
  Pass& operator=(const Pass&) = delete;

  /// Takes the rows before `end`, which other shares lower when theirs end early, and so does this one. The
  /// first row that the policy stops at, if any.
  [[nodiscard]] std::optional<BadRow> run(std::atomic<std::size_t>& end);

  [[nodiscard]] const RunCounters& counters() const noexcept { return counters_; }

  /// What reached the end of the frame. Of columns and documents each may be taken once.
  [[nodiscard]] std::vector<std::uint32_t>& rows() noexcept { return rows_; }
  [[nodiscard]] std::vector<std::string>& documents() noexcept { return documents_; }
  /// Of a field that has a slot.
  [[nodiscard]] Column take_column(std::size_t field) { return columns_[field].finish(); }

 private:
  [[nodiscard]] Batch read(std::size_t begin, std::vector<std::uint32_t> rows, StepReport& report);
  void read_keys(std::size_t begin, Batch& batch, RowErrors& errors);
  void collect(const Batch& batch);

  Stage& stage_;
  const BacktestInput& input_;
  const TableKeys& keys_;
  std::size_t share_;
  Clock& clock_;
  std::size_t begin_ = 0;
  std::unique_ptr<StateStores> stores_;
  RunCounters counters_;
  std::unique_ptr<Task> task_;
  std::optional<TaskKeys> task_keys_;
  std::vector<std::uint32_t> rows_;
  std::vector<ColumnAppender> columns_;  ///< by output field
  std::optional<JsonEncoder> encoder_;
  EncodedRows encoded_;
  std::vector<std::string> documents_;
};

}  // namespace tiderace
