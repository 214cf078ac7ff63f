#pragma once

#include <cstdint>
#include <vector>

#include "columnar/batch.h"
#include "state/store.h"

namespace tiderace {

/// What an operator says about the rows of one batch beside changing it.
/// Rows are named by their entry in `Batch::rows`, which does not change when others leave.
struct StepReport {
  std::vector<RowErrors::Entry>
      bad;  ///< bad rows; the task takes out those that the operator left in the batch
  std::vector<std::uint32_t> late;  ///< rows that were late, whether they stayed or not
  std::uint64_t filtered = 0;       ///< rows that the user's condition took out
  std::uint64_t written = 0;        ///< rows handed to a topic
  std::uint64_t written_bytes = 0;  ///< their keys, values and headers
  std::uint64_t shadow_failed = 0;  ///< rows that a shadow failed on
  std::uint64_t not_finite = 0;     ///< infinities written as null

  /// Takes over `errors`, whose rows are indices into `batch` as it is now.
  void add(RowErrors&& errors, const Batch& batch) {
    if (errors.empty()) return;
    for (RowErrors::Entry& entry : errors.take()) {
      entry.row = batch.rows[entry.row];
      bad.push_back(std::move(entry));
    }
  }
};

/// When a step with a `state_ttl` looks for keys to forget: at every 256th checkpoint, since that walks the
/// whole state and results do not depend on it.
class ExpirySchedule {
 public:
  [[nodiscard]] bool due() noexcept { return ++checkpoints_ % 256 == 0; }

 private:
  std::uint32_t checkpoints_ = 0;
};

/// One step of a stage at work, for one partition. One thread. All state that outlives a batch is in the
/// task's store: what an operator holds beside is a cache of it and of the changes since the last flush; to
/// go back to the last checkpoint, the task throws the operators away and makes new ones. World errors throw
/// Error.
class Operator {
 public:
  virtual ~Operator() = default;
  /// Changes `batch` in place: rows leave, columns are added. Never called with an empty batch.
  virtual void process(Batch& batch, StepReport& report) = 0;
  /// Event time has reached `watermark_ns` in this partition.
  virtual void advance(std::int64_t /*watermark_ns*/) {}
  /// Appends what changed in its state since the last flush.
  virtual void flush(std::vector<Change>& /*changes*/) {}
};

}  // namespace tiderace
