// How the windows of keys are loaded, flushed and forgotten.
#include "base/error.h"
#include "state/rolling_store.h"
#include "state/window/window_codec.h"

namespace tiderace {

void RollingStore::load(KeyId key, Window& window) {
  lists_.load(key, window.rows);
  if (!window.rows.empty()) begin_window(key, window);
}

/// Makes the present window of a key from its rows.
void RollingStore::begin_window(KeyId key, Window& window) {
  const std::int64_t newest = window.rows.newest();
  RowPage* page = window.rows.last;
  std::uint32_t index = page->size;
  Moments* const sums = moments(key);
  // Differences of sorted positions fit 64 bits without a sign.
  const auto in_window = [&](std::int64_t position) {
    return static_cast<std::uint64_t>(newest) - static_cast<std::uint64_t>(position) <
           static_cast<std::uint64_t>(options_.width);
  };
  while (true) {
    if (index == 0) {
      if (page->previous == nullptr || !in_window(page->previous->last_position())) break;
      page = page->previous;
      index = page->size;
    }
    if (!in_window(page->position(index - 1))) break;
    --index;
    ++window.size;
    for (std::size_t c = 0; c < options_.columns; ++c) sums[c].add(page->value(index, c), squares_);
  }
  window.page = page;
  window.index = index;
  if (!extremes_.empty()) rebuild_queues(key, window);
}

void RollingStore::forget(KeyId key, Window& window) {
  if (window.disorder) tree_bytes_ -= window.disorder->tree.bytes();
  lists_.clear(key, window.rows);
  window.disorder.reset();
  window.page = nullptr;
  window.index = 0;
  window.size = 0;
  window.queues_lost = false;
  for (std::size_t c = 0; c < options_.columns; ++c) moments(key)[c] = {};
  for (std::size_t e = 0; e < extremes_.size(); ++e) queues(key)[e].clear();
}

void RollingStore::flush(std::vector<Change>& changes) {
  lists_.flush(changes, [this](KeyId key) -> RowList& { return windows_[key].rows; });
  time_.flush(changes);
}

void RollingStore::expire(std::vector<Change>& changes) {
  if (!time_.forgets()) return;
  TIDERACE_CHECK(lists_.flushed());
  for (KeyId key = 0; key < windows_.size(); ++key) {
    Window& window = windows_[key];
    if (window.rows.empty() || !time_.forgotten(window.rows.seen)) continue;
    forget(key, window);
    lists_.erase(key, window.rows, changes);
  }
  const auto is_hot = [this](std::string_view key) {
    const KeyId id = keys_.find(key);
    return id < windows_.size() && windows_[id].rows.loaded;
  };
  time_.expire_cold(seen_of_head, is_hot, changes);
}

void RollingStore::remap(std::span<const KeyId> kept) {
  TIDERACE_CHECK(lists_.flushed());
  std::vector<Window> windows;
  std::vector<Moments> sums;
  std::vector<MonotonicQueue> queue;
  windows.reserve(kept.size());
  sums.reserve(kept.size() * options_.columns);
  queue.reserve(kept.size() * extremes_.size());
  queue_bytes_ = 0;
  tree_bytes_ = 0;
  for (const KeyId key : kept) {
    if (key >= windows_.size()) break;  // interned, but without a row of this step
    windows.push_back(std::move(windows_[key]));
    windows_[key].rows = RowList{};
    if (windows.back().disorder) tree_bytes_ += windows.back().disorder->tree.bytes();
    for (std::size_t c = 0; c < options_.columns; ++c) sums.push_back(std::move(moments(key)[c]));
    for (std::size_t e = 0; e < extremes_.size(); ++e) {
      queue.push_back(std::move(queues(key)[e]));
      queue_bytes_ += queue.back().bytes();
    }
  }
  for (Window& window : windows_) lists_.forget(window.rows);
  windows_ = std::move(windows);
  moments_ = std::move(sums);
  queues_ = std::move(queue);
}

std::size_t RollingStore::bytes() const noexcept {
  return lists_.bytes() + queue_bytes_ + tree_bytes_ + windows_.capacity() * sizeof(Window) +
         moments_.capacity() * sizeof(Moments) + queues_.capacity() * sizeof(MonotonicQueue);
}

}  // namespace tiderace
