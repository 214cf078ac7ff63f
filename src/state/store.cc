#include "state/store.h"

#include <algorithm>

namespace tiderace {

void keep_latest(std::vector<ChangeView>& changes) {
  std::stable_sort(changes.begin(), changes.end(),
                   [](const ChangeView& a, const ChangeView& b) { return a.key < b.key; });
  auto kept = changes.begin();
  for (auto at = changes.begin(); at != changes.end(); ++at) {
    if (std::next(at) == changes.end() || std::next(at)->key != at->key) *kept++ = *at;
  }
  changes.erase(kept, changes.end());
}

void StateStore::apply(std::span<const Change> changes, const StorePosition& position) {
  std::vector<ChangeView> views;
  views.reserve(changes.size());
  for (const Change& change : changes) views.push_back({change.key, change.value});
  apply(std::move(views), position);
}

void StateStore::apply(std::vector<ChangeView> changes, const StorePosition& position) {
  keep_latest(changes);
  write(changes, position);
}

}  // namespace tiderace
