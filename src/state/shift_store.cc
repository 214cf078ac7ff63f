#include "state/shift_store.h"

#include <algorithm>
#include <bit>

#include "base/error.h"

namespace tiderace {
namespace {

/// `a` - `b` of numbers.
void set_difference(ColumnBuilder& results, std::size_t row, const Column& values, Kind kind,
                    std::uint64_t payload) {
  const Kind own = values.kind(row);
  if (!is_number(own) || !is_number(kind)) {
    results.set_null(row);
  } else if (own == Kind::float64 || kind == Kind::float64) {
    const double before = kind == Kind::float64 ? std::bit_cast<double>(payload)
                                                : static_cast<double>(static_cast<std::int64_t>(payload));
    results.set_float64(row, values.as_double(row) - before);
  } else {
    std::int64_t difference = 0;
    const auto before = static_cast<std::int64_t>(payload);
    if (__builtin_sub_overflow(values.int64(row), before, &difference)) {
      results.set_float64(row, static_cast<double>(static_cast<__int128>(values.int64(row)) - before));
    } else {
      results.set_int64(row, difference);
    }
  }
}

}  // namespace

void ShiftStore::process(std::span<const KeyId> keys, std::span<const std::int64_t> event_times,
                         const Column& values, ColumnBuilder& results) {
  if (rings_.size() < keys_.size()) rings_.resize(keys_.size());
  for (std::size_t i = 0; i < keys.size(); ++i) {
    Ring& ring = rings_[keys[i]];
    if (!ring.loaded) load(keys[i], ring);
    if (time_.forgets()) {
      time_.advance(event_times[i]);
      if (time_.forgotten(ring.seen)) forget(ring);
    }
    ring.seen = std::max(ring.seen, event_times[i]);
    set_result(ring, values, i, results);
    push(ring, values, i);
    if (!ring.dirty) {
      ring.dirty = true;
      touched_.push_back(keys[i]);
    }
  }
}

void ShiftStore::set_result(Ring& ring, const Column& values, std::size_t row, ColumnBuilder& results) {
  const auto periods = static_cast<std::uint64_t>(options_.periods);
  if (ring.count - ring.begin < periods) {
    results.set_null(row);
    return;
  }
  const Cell& before = cell(ring, ring.count - periods);
  if (options_.difference) {
    set_difference(results, row, values, before.kind, before.payload);
  } else if (before.text) {
    results.set_text(row, before.kind, *before.text);
  } else {
    results.kinds()[row] = before.kind;
    results.values()[row] = before.payload;
  }
}

void ShiftStore::push(Ring& ring, const Column& values, std::size_t row) {
  const std::uint64_t kept = ring.count - kept_from(ring);
  if (kept == ring.capacity) grow(ring, kept + 1);
  Cell& into = cell(ring, ring.count);
  if (into.text) cell_bytes_ -= into.text->capacity();
  const Kind kind = values.kind(row);
  if (is_text(kind) && !options_.difference) {
    if (!into.text) into.text = std::make_unique<std::string>();
    into.text->assign(values.text(row));
    cell_bytes_ += into.text->capacity();
    into.kind = kind;
  } else {
    const bool known = is_number(kind);
    into.text.reset();
    into.kind = known ? kind : Kind::null;
    into.payload = known ? values.values()[row] : 0;
  }
  ++ring.count;
}

/// Makes room for `rows` rows, the kept ones among them.
void ShiftStore::grow(Ring& ring, std::uint64_t rows) {
  const auto periods = static_cast<std::uint64_t>(options_.periods);
  const auto capacity =
      static_cast<std::uint32_t>(std::min(std::max(rows, ring.capacity * std::uint64_t{2}), periods));
  if (capacity <= ring.capacity) return;
  auto cells = std::make_unique<Cell[]>(capacity);
  if (ring.capacity > 0) {
    for (std::uint64_t row = kept_from(ring); row < ring.count; ++row)
      cells[row % capacity] = std::move(cell(ring, row));
  }
  cell_bytes_ += (capacity - ring.capacity) * sizeof(Cell);
  ring.cells = std::move(cells);
  ring.capacity = capacity;
}

void ShiftStore::forget(Ring& ring) noexcept {
  ring.begin = ring.count;
  ring.seen = INT64_MIN;
}

}  // namespace tiderace
