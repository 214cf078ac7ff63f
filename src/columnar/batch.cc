#include "columnar/batch.h"

#include <algorithm>

namespace tiderace {
namespace {

template <class T>
void keep_elements(std::vector<T>& values, std::span<const std::uint32_t> kept) {
  if (values.empty()) return;
  // `kept` ascends, so every element moves to the front or stays.
  for (std::size_t i = 0; i < kept.size(); ++i) values[i] = values[kept[i]];
  values.resize(kept.size());
}

}  // namespace

void Batch::keep(std::span<const std::uint32_t> kept, std::span<const Slot> live) {
  keep_elements(rows, kept);
  keep_elements(event_time_ns, kept);
  keep_elements(keys, kept);
  std::vector<Column> remaining(columns.size());
  for (const Slot slot : live) remaining[slot] = columns[slot].take(kept);
  columns = std::move(remaining);
}

void RowErrors::add(std::size_t row, BadRowKind kind, std::string message) {
  entries_.push_back({static_cast<std::uint32_t>(row), kind, std::move(message)});
}

bool RowErrors::contains(std::size_t row) const noexcept {
  return std::any_of(entries_.begin(), entries_.end(),
                     [row](const Entry& entry) { return entry.row == row; });
}

std::vector<bool> RowErrors::rows(std::size_t size) const {
  if (entries_.empty()) return {};
  std::vector<bool> found(size, false);
  for (const Entry& entry : entries_) found[entry.row] = true;
  return found;
}

std::vector<std::uint32_t> RowErrors::good_rows(std::size_t size) const {
  const std::vector<bool> bad = rows(size);
  std::vector<std::uint32_t> good;
  good.reserve(size);
  for (std::uint32_t i = 0; i < size; ++i) {
    if (bad.empty() || !bad[i]) good.push_back(i);
  }
  return good;
}

std::vector<RowErrors::Entry> RowErrors::take() {
  std::stable_sort(entries_.begin(), entries_.end(),
                   [](const Entry& a, const Entry& b) { return a.row < b.row; });
  const auto last = std::unique(entries_.begin(), entries_.end(),
                                [](const Entry& a, const Entry& b) { return a.row == b.row; });
  entries_.erase(last, entries_.end());
  return std::exchange(entries_, {});
}

void RowErrors::merge(RowErrors&& other, std::span<const bool> rows) {
  for (Entry& entry : other.entries_) {
    if (rows[entry.row]) entries_.push_back(std::move(entry));
  }
  other.entries_.clear();
}

}  // namespace tiderace
