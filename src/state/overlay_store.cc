#include "state/overlay_store.h"

#include <algorithm>

namespace tiderace {

const std::vector<Change>& OverlayStore::put_in_front(std::vector<Change> changes) {
  TIDERACE_CHECK(front_.empty());
  front_ = std::move(changes);
  return front_;
}

void OverlayStore::take_front(const StorePosition& position) {
  store_->apply(front_, position);
  front_.clear();
  sorted_.clear();
}

const std::vector<OverlayStore::Entry>& OverlayStore::sorted() {
  if (!sorted_.empty() || front_.empty()) return sorted_;
  sorted_.reserve(front_.size());
  for (const Change& change : front_) sorted_.emplace_back(change.key, &change);
  // Of equal keys the last comes first, and stays.
  std::sort(sorted_.begin(), sorted_.end(), [](const Entry& a, const Entry& b) {
    return a.first != b.first ? a.first < b.first : a.second > b.second;
  });
  const auto same = [](const Entry& a, const Entry& b) { return a.first == b.first; };
  sorted_.erase(std::unique(sorted_.begin(), sorted_.end(), same), sorted_.end());
  return sorted_;
}

std::vector<OverlayStore::Entry>::const_iterator OverlayStore::first_from(std::string_view key) {
  const std::vector<Entry>& entries = sorted();
  return std::lower_bound(entries.begin(), entries.end(), key,
                          [](const Entry& entry, std::string_view wanted) { return entry.first < wanted; });
}

std::optional<std::string> OverlayStore::get(std::string_view key) {
  const auto found = first_from(key);
  if (found != sorted_.end() && found->first == key) return found->second->value;
  return store_->get(key);
}

void OverlayStore::scan(std::string_view prefix,
                        const std::function<bool(std::string_view key, std::string_view value)>& visit) {
  auto next = first_from(prefix);
  bool more = true;
  const auto visit_next = [&] {
    const Change& change = *(next++)->second;
    more = !change.value || visit(change.key, *change.value);
  };
  const auto comes_before = [&](std::string_view key) { return next != sorted_.end() && next->first < key; };
  store_->scan(prefix, [&](std::string_view key, std::string_view value) {
    while (more && comes_before(key)) visit_next();
    if (more && next != sorted_.end() && next->first == key)
      visit_next();
    else if (more)
      more = visit(key, value);
    return more;
  });
  while (more && next != sorted_.end() && next->first.starts_with(prefix)) visit_next();
}

void OverlayStore::apply(std::span<const Change> changes, const StorePosition& position) {
  TIDERACE_CHECK(front_.empty());
  store_->apply(changes, position);
}

}  // namespace tiderace
