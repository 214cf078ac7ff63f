#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "columnar/column.h"
#include "state/expiry.h"
#include "state/key_table.h"
#include "state/store.h"

namespace tiderace {

struct ShiftOptions {
  std::string step;          ///< the name of the step's state: two steps of a store have different ones
  std::int64_t periods = 1;  ///< how many rows of the key ago, at least 1
  bool difference = false;   ///< this row's value minus that one
  std::int64_t ttl = 0;  ///< nanoseconds of event time without a row after which a key is forgotten; 0: never
};

/// The state behind `shift` and `diff`: the last `periods` values of every key, in arrival order. Cost: O(1)
/// a row. One thread. Every call may throw Error{state}; the object is then good for nothing but its
/// destruction.
///
/// Stored form, numbers as in `window_codec.h`:
///     head record: version (1 byte, 1) · seen (signed varint) · begin (varint) · count (varint) · values
///       begin: the first row that is known, count: the rows so far. Values: of the last `periods` rows where
///       these are at most 32, else of the rows since the last multiple of 32.
///     numbered record (only where periods > 32): version · values; number n has the rows from 32 n to 32 n +
///     31, written once values: per value its kind (1 byte), then bool 1 byte, int64 signed varint, float64 8
///     bytes little-endian, text its length
///       (varint) and its bytes
class ShiftStore final : public KeyedContainer {
 public:
  /// `store` has the committed state, `keys` the names of keys; both must outlive the object. Keys are read
  /// when they first come.
  ShiftStore(ShiftOptions options, StateStore& store, KeyTable& keys);
  ShiftStore(const ShiftStore&) = delete;
  ShiftStore& operator=(const ShiftStore&) = delete;
  ~ShiftStore() override;

  /// Takes rows in arrival order and sets every row of `results`. A difference is null if one of the two is,
  /// int64 between ints and bools (float64 if that overflows) and float64 otherwise; for it, what is no
  /// number counts as null.
  void process(std::span<const KeyId> keys, std::span<const std::int64_t> event_times, const Column& values,
               ColumnBuilder& results);

  /// Appends what changed since the last flush, for changelog and store. The cost follows what changed.
  void flush(std::vector<Change>& changes);
  /// Right after a flush: appends the deletes of all keys that `ttl` has forgotten. O(state).
  void expire(std::vector<Change>& changes);

  void remap(std::span<const KeyId> kept) override;
  [[nodiscard]] std::size_t bytes() const noexcept override;

 private:
  struct Cell {
    Kind kind = Kind::null;
    std::uint64_t payload = 0;
    std::unique_ptr<std::string> text;
  };
  struct Ring {
    std::uint64_t begin = 0;         ///< the first row that is not forgotten
    std::uint64_t count = 0;         ///< rows so far
    std::uint64_t stored_begin = 0;  ///< numbered records in the store: [stored_begin, stored_end)
    std::uint64_t stored_end = 0;
    std::int64_t seen = INT64_MIN;
    std::unique_ptr<Cell[]> cells;  ///< row r at r % capacity
    std::uint32_t capacity = 0;
    bool loaded = false;
    bool dirty = false;
  };

  [[nodiscard]] std::uint64_t kept_from(const Ring& ring) const noexcept;
  [[nodiscard]] std::uint64_t inline_from(const Ring& ring) const noexcept;
  [[nodiscard]] Cell& cell(Ring& ring, std::uint64_t row) noexcept { return ring.cells[row % ring.capacity]; }
  void load(KeyId key, Ring& ring);
  void load_pages(KeyId key, Ring& ring);
  void push(Ring& ring, const Column& values, std::size_t row);
  void grow(Ring& ring, std::uint64_t rows);
  void set_result(Ring& ring, const Column& values, std::size_t row, ColumnBuilder& results);
  void forget(Ring& ring) noexcept;
  void flush_pages(KeyId key, Ring& ring, std::vector<Change>& changes);
  void release(Ring& ring) noexcept;
  [[noreturn]] void damaged(KeyId key, const char* wrong) const;

  static void append_cell(std::string& out, const Cell& cell);
  [[nodiscard]] bool take_cell(std::string_view& in, Cell& cell);

  ShiftOptions options_;
  StateStore& store_;
  KeyTable& keys_;
  std::string step_;
  StreamTime time_;
  std::vector<Ring> rings_;
  std::vector<KeyId> touched_;
  std::size_t cell_bytes_ = 0;
};

}  // namespace tiderace
