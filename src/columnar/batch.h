#pragma once

#include <tiderace/error.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "columnar/column.h"
#include "columnar/records.h"

namespace tiderace {

/// A key of a task, interned: dense from 0, valid until the task's next checkpoint. See `state/key_table.h`.
using KeyId = std::uint32_t;
constexpr KeyId no_key = UINT32_MAX;

/// The slot of a column in a batch. A stage gives every column that it ever computes a slot of its own (never
/// reused), so that branches of a plan can share batches.
using Slot = std::uint32_t;
constexpr Slot no_slot = UINT32_MAX;

/// Where one field stands in a raw row, as byte positions. `absent` for a row that lacks it; a field that
/// stands there more than once has its first place and no `value_end`.
struct FieldSpan {
  static constexpr std::uint32_t absent = UINT32_MAX;
  std::uint32_t key_begin = absent;  ///< at the opening quote of the name
  std::uint32_t value_begin = absent;
  std::uint32_t value_end = absent;
  [[nodiscard]] bool present() const noexcept { return value_begin != absent; }
  [[nodiscard]] bool duplicated() const noexcept { return present() && value_end == absent; }
};

/// The raw rows of a batch and where they can be spliced; indexed by `Batch::rows`, so that filters need not
/// touch it.
struct RawRows {
  std::shared_ptr<const Records> records;
  std::vector<std::uint32_t> close;  ///< per record: the position of its closing brace
  std::vector<std::vector<FieldSpan>>
      spans;  ///< per field that the plan replaces, renames or drops: per record
};

/// Rows of one partition on their way through a stage. Row i is record (or table row) `rows[i]`.
struct Batch {
  std::shared_ptr<const RawRows> raw;  ///< null where rows come from a table
  std::vector<std::uint32_t> rows;     ///< strictly ascending
  std::vector<std::int64_t> event_time_ns;
  std::vector<KeyId> keys;      ///< empty if no step of the stage needs the key
  std::vector<Column> columns;  ///< by slot; a slot that holds nothing yet has no rows

  [[nodiscard]] std::size_t size() const noexcept { return rows.size(); }
  /// Keeps only the given rows (ascending) in every member and in the columns of `live`; drops the other
  /// columns.
  void keep(std::span<const std::uint32_t> kept, std::span<const Slot> live);
};

/// What was wrong with single rows of a batch: at most one entry a row, the first that was reported.
class RowErrors {
 public:
  struct Entry {
    std::uint32_t row;  ///< index into the batch
    BadRowKind kind;
    std::string message;
  };
  void add(std::size_t row, BadRowKind kind, std::string message);
  [[nodiscard]] bool empty() const noexcept { return entries_.empty(); }
  [[nodiscard]] bool contains(std::size_t row) const noexcept;
  /// For each of `size` rows whether it has an entry; empty if none has.
  [[nodiscard]] std::vector<bool> rows(std::size_t size) const;
  /// The rows of `size` that have no entry.
  [[nodiscard]] std::vector<std::uint32_t> good_rows(std::size_t size) const;
  /// Sorted by row, the first report of each row only.
  [[nodiscard]] std::vector<Entry> take();
  /// Takes over those of `other` whose row is true in `rows`.
  void merge(RowErrors&& other, std::span<const bool> rows);

 private:
  std::vector<Entry> entries_;
};

}  // namespace tiderace
