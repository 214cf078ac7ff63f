#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/logging.h"
#include "operators/lower.h"
#include "operators/reader.h"
#include "runtime/bad_rows.h"
#include "runtime/models/task_models.h"
#include "runtime/stage.h"
#include "state/overlay_store.h"

namespace tiderace {

/// One stage of one partition at work: its operators over its store. It holds the only loop over steps. One
/// thread.
///
/// To go back to the last checkpoint, throw the task away and make a new one over the same store.
class Task {
 public:
  struct Resources {
    std::unique_ptr<StateStore> store;                        ///< committed state, up to date
    Producer* producer = nullptr;                             ///< null in a backtest
    RunCounters* counters = nullptr;                          ///< the worker's
    std::vector<RestoredModel> models = {};                   ///< of the stage; empty: as they are now
    std::function<SinkPort(const SinkConnector&)> sink = {};  ///< the way into a sink
    /// Takes the rows that reach the step that a backtest asks for.
    std::function<void(const Batch&)> collect;
  };
  Task(const RuntimeContext& context, Stage& stage, TopicPartition partition, Resources resources);

  /// Processes a run of records. Returns the row to stop before, if the policy says so: what the task has
  /// done since its last checkpoint must then be thrown away.
  [[nodiscard]] std::optional<BadRow> process(std::shared_ptr<const Records> records);
  /// The same for rows that a backtest read from a table; `report` has those that could not be read.
  /// Row 0 of the batch is row `first_row` of the table.
  [[nodiscard]] std::optional<BadRow> process(Batch batch, StepReport report, std::size_t first_row = 0);

  /// Where `process` said to stop before a row: the version of a model that would not.
  [[nodiscard]] const Mended& mended() const noexcept { return mended_; }

  /// All changes of state since the last flush, behind `first`, and the input position: valid until
  /// `committed`, which comes before the next flush.
  const std::vector<Change>& flush(std::vector<Change> first);
  /// They are committed: the store takes them.
  void committed(std::int64_t changelog_offset);
  /// What has not been touched for longest leaves memory until `limit_bytes` are kept there; nothing does
  /// while something processed is not committed.
  void trim(std::size_t limit_bytes);

  /// Which versions of models are in use.
  [[nodiscard]] TaskModels& models() noexcept { return models_; }

  [[nodiscard]] const TopicPartition& partition() const noexcept { return partition_; }
  [[nodiscard]] Stage& stage() const noexcept { return stage_; }
  /// The next input offset to process. Set by `process`; the worker sets it where it starts.
  [[nodiscard]] std::int64_t position() const noexcept { return position_; }
  void set_position(std::int64_t offset) noexcept { position_ = offset; }
  [[nodiscard]] KeyTable& keys() noexcept { return keys_; }
  [[nodiscard]] const KeyTable& keys() const noexcept { return keys_; }
  /// Of its store, about.
  [[nodiscard]] std::uint64_t state_bytes() { return store_.size_bytes(); }

 private:
  [[nodiscard]] std::optional<BadRow> process_run(std::shared_ptr<const Records> records);
  void run(std::size_t step, Batch batch);
  void run_step(std::size_t step, Batch& batch);
  /// Counts what `report` says of `step`, applies the policy to bad rows, and takes them out of `batch`, of
  /// which `live` is kept.
  void settle(std::size_t step, Batch& batch, StepReport& report, std::span<const Slot> live);
  void write_dead_letters();
  void add_keyless(const ResolvedStep& step, const Batch& batch, StepReport& report) const;
  [[nodiscard]] BadRow bad_row(std::size_t step, const RowErrors::Entry& entry) const;
  [[nodiscard]] const Record* input_record(std::uint32_t row) const noexcept;
  [[nodiscard]] bool mark(std::vector<bool>& rows, std::uint32_t row) const;
  /// A line a second at most, so that nothing is silent and nothing floods.
  void log_late(std::size_t step, std::span<const std::uint32_t> rows);
  void log_bad(const BadRow& row, ErrorPolicy policy);

  const RuntimeContext& context_;
  Stage& stage_;
  TopicPartition partition_;
  Resources resources_;
  OverlayStore store_;
  KeyTable keys_;
  BadRowPolicy policy_;
  RecordReader reader_;
  TaskModels models_;
  std::vector<std::unique_ptr<Operator>> operators_;  ///< by step; none for the source
  std::int64_t position_ = 0;
  std::int64_t flushed_ms_ = 0;  ///< by the wall clock
  std::int64_t flushed_position_ = 0;
  bool unflushed_ = false;  ///< something was processed since the last flush
  std::int64_t watermark_ns_ = INT64_MIN;
  LogPace late_pace_;
  LogPace bad_pace_;

  // Of the batch in hand.
  std::shared_ptr<const Records> input_;  ///< null where rows come from a table
  std::size_t first_row_ = 0;
  std::vector<bool> late_;  ///< rows that some step found late
  std::vector<bool> bad_;   ///< rows that some step found bad
  std::vector<std::pair<std::uint32_t, BadRow>> dead_letters_;
  std::optional<BadRow> stop_;  ///< the first row that the application has to stop before
  Mended mended_;
};

}  // namespace tiderace
