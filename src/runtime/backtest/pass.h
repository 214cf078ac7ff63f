#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "formats/json/encoder.h"
#include "runtime/backtest/backtest.h"
#include "runtime/backtest/merge.h"
#include "runtime/backtest/table_keys.h"
#include "runtime/task.h"

namespace tiderace {

/// One share of a table's rows on their way through the plan, once. One thread.
class Pass {
 public:
  Pass(const RuntimeContext& context, Stage& stage, const BacktestInput& input, TableKeys& keys,
       std::size_t share);
  Pass(const Pass&) = delete;
  Pass& operator=(const Pass&) = delete;

  /// Takes the rows before `end`, which other shares lower when theirs end early, and so does this one. The
  /// first row that the policy stops at, if any. Calls `before_batch` before each batch, with its first row.
  [[nodiscard]] std::optional<BadRow> run(std::atomic<std::size_t>& end,
                                          const std::function<void(std::size_t)>& before_batch);
  /// The first row of the batch in hand.
  [[nodiscard]] std::size_t batch_begin() const noexcept { return begin_; }

  [[nodiscard]] RunCounters counters() const;

  /// What reached the end of the frame; the pass is over. A column for each field that has a slot.
  [[nodiscard]] KeptRows take_rows();
  /// Where rows are documents: one for each row.
  [[nodiscard]] std::vector<std::string> take_documents() { return std::move(documents_); }

 private:
  [[nodiscard]] Batch read(std::vector<std::uint32_t> rows, StepReport& report);
  void read_keys(Batch& batch, RowErrors& errors);
  void collect(const Batch& batch);

  Stage& stage_;
  const BacktestInput& input_;
  TableKeys& keys_;
  std::size_t share_;
  std::size_t begin_ = 0;
  std::unique_ptr<StateStores> stores_;
  RunCounters counters_;
  std::unique_ptr<Task> task_;
  std::vector<std::uint32_t> rows_;
  std::vector<ColumnAppender> columns_;  ///< by output field
  std::optional<JsonEncoder> encoder_;
  EncodedRows encoded_;
  std::vector<std::string> documents_;
};

}  // namespace tiderace
