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

const std::vector<ChangeView>& OverlayStore::sorted() {
  if (!sorted_.empty() || front_.empty()) return sorted_;
  sorted_.reserve(front_.size());
  for (const Change& change : front_) sorted_.push_back({change.key, change.value});
  keep_latest(sorted_);
  return sorted_;
}

std::vector<ChangeView>::const_iterator OverlayStore::first_from(std::string_view key) {
  const std::vector<ChangeView>& changes = sorted();
  return std::lower_bound(
      changes.begin(), changes.end(), key,
      [](const ChangeView& change, std::string_view wanted) { return change.key < wanted; });
}

std::optional<std::string> OverlayStore::get(std::string_view key) {
  const auto found = first_from(key);
  if (found == sorted_.end() || found->key != key) return store_->get(key);
  return found->value ? std::optional(std::string(*found->value)) : std::nullopt;
}

void OverlayStore::scan(std::string_view prefix,
                        const std::function<bool(std::string_view key, std::string_view value)>& visit) {
  auto next = first_from(prefix);
  bool more = true;
  const auto visit_next = [&] {
    const ChangeView& change = *next++;
    more = !change.value || visit(change.key, *change.value);
  };
  const auto comes_before = [&](std::string_view key) { return next != sorted_.end() && next->key < key; };
  store_->scan(prefix, [&](std::string_view key, std::string_view value) {
    while (more && comes_before(key)) visit_next();
    if (more && next != sorted_.end() && next->key == key)
      visit_next();
    else if (more)
      more = visit(key, value);
    return more;
  });
  while (more && next != sorted_.end() && next->key.starts_with(prefix)) visit_next();
}

void OverlayStore::write(std::span<const ChangeView> changes, const StorePosition& position) {
  TIDERACE_CHECK(front_.empty());
  store_->apply(std::vector<ChangeView>(changes.begin(), changes.end()), position);
}

}  // namespace tiderace
