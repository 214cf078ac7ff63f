// Rows that come after a newer one of their key.
#include "state/rolling_store.h"

namespace tiderace {
namespace {

constexpr std::uint32_t few_pages = 8;    // so many are walked, not put into a tree
constexpr std::uint32_t few_rows = 256;   // so many are looked at again rather than asked of the tree
constexpr std::size_t longest_move = 64;  // of entries of a queue

std::int64_t minus(std::int64_t a, std::int64_t b) noexcept {
  std::int64_t difference = 0;
  return __builtin_sub_overflow(a, b, &difference) ? INT64_MIN : difference;
}

}  // namespace

/// Inserts the row in hand and leaves what its window holds in `summary_`. False if it is late.
bool RollingStore::process_out_of_order(KeyId key, Window& window, std::int64_t position) {
  RowList& rows = window.rows;
  const std::int64_t newest = rows.newest();
  if (position < minus(newest, accept_)) return false;
  RowPage* const page = page_for(window, position);
  if (page == rows.last && page->size == page->capacity && page->capacity < RowPage::full) {
    make_room(key, window);
    return process_out_of_order(key, window, position);
  }
  const std::int64_t first_in_window = window.page->position(window.index);
  const auto [into, index, split] = lists_.insert(key, rows, page, position, row_);
  // The first row of the present window may have moved, or be this one now.
  if (split != nullptr && window.page == page) {
    const std::uint32_t lower = page->size - (into == page ? 1u : 0u);
    if (window.index >= lower) {
      window.page = split;
      window.index -= lower;
    }
  }
  const bool in_present = position > minus(newest, options_.width);
  if (in_present && position < first_in_window) {
    window.page = into;
    window.index = index;
  } else if (into == window.page && index <= window.index) {
    ++window.index;
  }
  if (window.disorder) {
    PageTree& tree = window.disorder->tree;
    const std::size_t before = tree.bytes();
    if (split != nullptr) {
      tree.was_split(page, split, split != rows.last);
    } else {
      tree.inserted(into, index);
    }
    tree_bytes_ += tree.bytes() - before;
  }
  sum_up(window, into, minus(position, options_.width), position);
  if (in_present) enter_window(key, window, position);
  return true;
}

/// The page that the row belongs into: the last one that does not begin after it, or else the first.
RowPage* RollingStore::page_for(Window& window, std::int64_t position) {
  RowList& rows = window.rows;
  RowPage* page = rows.last;
  for (std::uint32_t i = 0; i < few_pages; ++i, page = page->previous) {
    ++work_;
    if (page->first_position() <= position || page->previous == nullptr) return page;
  }
  if (!window.disorder) window.disorder = std::make_unique<Disorder>(options_.columns, squares_);
  PageTree& tree = window.disorder->tree;
  const std::size_t before = tree.bytes();
  const std::uint64_t work = tree.work();
  tree.extend(rows.first, rows.last);
  RowPage* const found = tree.find(position);
  work_ += tree.work() - work;
  tree_bytes_ += tree.bytes() - before;
  return found != nullptr ? found : rows.first;
}

/// Leaves in `summary_` what the rows in (after, until] hold, the last of which are in `page`.
void RollingStore::sum_up(Window& window, RowPage* page, std::int64_t after, std::int64_t until) {
  summary_.clear();
  RowList& rows = window.rows;
  for (std::uint32_t i = 0; i < few_pages; ++i, page = page->previous) {
    work_ += summary_.add_range(*page, after, until, squares_);
    if (page->first_position() <= after || page->previous == nullptr) return;
  }
  summary_.clear();
  if (!window.disorder) window.disorder = std::make_unique<Disorder>(options_.columns, squares_);
  PageTree& tree = window.disorder->tree;
  const std::size_t before = tree.bytes();
  const std::uint64_t work = tree.work();
  tree.extend(rows.first, rows.last);
  tree.add_range(after, until, summary_);
  work_ += tree.work() - work + summary_.add_range(*rows.last, after, until, squares_);
  tree_bytes_ += tree.bytes() - before;
}

/// The row in hand is in the window of the newest row, too.
void RollingStore::enter_window(KeyId key, Window& window, std::int64_t position) {
  ++window.size;
  Moments* const sums = moments(key);
  for (std::size_t c = 0; c < options_.columns; ++c) sums[c].add(row_[c], squares_);
  MonotonicQueue* const queue = queues(key);
  for (std::size_t e = 0; e < extremes_.size() && !window.queues_lost; ++e) {
    const WindowValue value = row_[extremes_[e].column];
    if (value.kind == Kind::null) continue;
    const std::size_t before = queue[e].bytes();
    window.queues_lost = !(extremes_[e].minimum ? queue[e].insert<true>(position, value, longest_move)
                                                : queue[e].insert<false>(position, value, longest_move));
    queue_bytes_ += queue[e].bytes() - before;
    work_ += window.queues_lost ? longest_move : 1;
  }
  if (!window.queues_lost) return;
  if (!window.disorder) window.disorder = std::make_unique<Disorder>(options_.columns, squares_);
  window.disorder->in_order_since = 0;
}

/// The queues are lost: makes them anew where that is cheap or has been paid for by the rows since, else
/// leaves the extremes of the present window in `summary_`.
void RollingStore::extremes_from_rows(KeyId key, Window& window) {
  if (window.size <= few_rows || ++window.disorder->in_order_since >= window.size) {
    rebuild_queues(key, window);
    return;
  }
  const std::int64_t newest = window.rows.newest();
  sum_up(window, window.rows.last, minus(newest, options_.width), newest);
}

void RollingStore::rebuild_queues(KeyId key, Window& window) {
  for (std::size_t e = 0; e < extremes_.size(); ++e) queues(key)[e].clear();
  std::vector<WindowValue> values(options_.columns);
  std::uint32_t index = window.index;
  for (RowPage* page = window.page; page != nullptr; page = page->next, index = 0) {
    for (; index < page->size; ++index, ++work_) {
      for (std::size_t c = 0; c < options_.columns; ++c) values[c] = page->value(index, c);
      push_queues(key, page->position(index), values.data());
    }
  }
  window.queues_lost = false;
}

}  // namespace tiderace
