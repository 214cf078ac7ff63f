#include "state/rolling_store.h"

#include <algorithm>
#include <limits>

#include "base/error.h"

namespace tiderace {
namespace {

constexpr std::size_t far_ahead = 16;
constexpr std::size_t ahead = 8;
constexpr std::int64_t no_time = std::numeric_limits<std::int64_t>::min();

std::int64_t minus(std::int64_t a, std::int64_t b) noexcept {
  std::int64_t difference = 0;
  return __builtin_sub_overflow(a, b, &difference) ? no_time : difference;
}
std::int64_t plus(std::int64_t a, std::int64_t b) noexcept {
  std::int64_t sum = 0;
  return __builtin_add_overflow(a, b, &sum) ? std::numeric_limits<std::int64_t>::max() : sum;
}

WindowValue number_at(const Column& column, std::size_t i) noexcept {
  const Kind kind = column.kinds()[i];
  if (!is_number(kind)) return {};
  return {kind == Kind::boolean ? Kind::int64 : kind, column.values()[i]};
}

}  // namespace

RollingStore::RollingStore(RollingOptions options, StateStore& store, KeyTable& keys)
    : options_(std::move(options)),
      keys_(keys),
      lists_(store, keys, options_.step, options_.columns),
      time_(store, lists_.step(), options_.ttl),
      row_(options_.columns),
      summary_(options_.columns) {
  TIDERACE_CHECK(options_.width > 0 && options_.grace >= 0 && options_.ttl >= 0 && options_.columns > 0);
  accept_ = plus(options_.width, options_.grace);
  keep_ = options_.by_time ? plus(accept_, options_.width) : options_.width;
  for (const RollingOptions::Output& output : options_.outputs) {
    TIDERACE_CHECK(output.column < options_.columns && output.ddof >= 0);
    squares_ = squares_ || output.aggregate == Aggregate::std || output.aggregate == Aggregate::var;
    const bool minimum = output.aggregate == Aggregate::min;
    if (!minimum && output.aggregate != Aggregate::max) {
      extreme_of_.push_back(0);
      continue;
    }
    std::size_t at = 0;
    while (at < extremes_.size() &&
           (extremes_[at].column != output.column || extremes_[at].minimum != minimum))
      ++at;
    if (at == extremes_.size()) extremes_.push_back({output.column, minimum});
    extreme_of_.push_back(at);
  }
  keys_.add(this);
}

RollingStore::~RollingStore() {
  keys_.remove(this);
  for (Window& window : windows_) lists_.forget(window.rows);
}

[[gnu::flatten]] void RollingStore::process(std::span<const KeyId> keys,
                                            std::span<const std::int64_t> event_times,
                                            std::span<const Column> values, std::span<ColumnBuilder> results,
                                            std::span<bool> late) {
  TIDERACE_CHECK(values.size() == options_.columns && results.size() == options_.outputs.size());
  if (windows_.size() < keys_.size()) {
    windows_.resize(keys_.size());
    moments_.resize(keys_.size() * options_.columns);
    queues_.resize(keys_.size() * extremes_.size());
  }
  sinks_.clear();
  for (ColumnBuilder& result : results) sinks_.push_back({result.kinds(), result.values()});
  for (std::size_t i = 0; i < keys.size(); ++i) {
    if (i + far_ahead < keys.size()) {
      const KeyId key = keys[i + far_ahead];
      __builtin_prefetch(&windows_[key]);
      __builtin_prefetch(moments(key));
    }
    if (i + ahead < keys.size()) {
      const Window& window = windows_[keys[i + ahead]];
      __builtin_prefetch(window.page);
      __builtin_prefetch(window.rows.last);
    }
    const KeyId key = keys[i];
    Window& window = windows_[key];
    if (!window.rows.loaded) load(key, window);
    const std::int64_t event_time = std::max(event_times[i], no_time + 1);
    for (std::size_t c = 0; c < values.size(); ++c) row_[c] = number_at(values[c], i);
    if (time_.forgets()) {
      time_.advance(event_time);
      if (!window.rows.empty() && time_.forgotten(window.rows.seen)) forget(key, window);
    }
    window.rows.seen = std::max(window.rows.seen, event_time);
    std::int64_t position = event_time;
    if (!options_.by_time) position = window.rows.empty() ? 0 : window.rows.newest() + 1;
    late[i] = false;
    if (window.rows.empty() || position >= window.rows.newest()) [[likely]] {
      append(key, window, position);
      emit(key, window, i);
    } else if (process_out_of_order(key, window, position)) {
      emit_summary(i);
    } else {
      late[i] = true;
      emit_null(i);
      continue;
    }
    lists_.touch(key, window.rows);
  }
}

void RollingStore::append(KeyId key, Window& window, std::int64_t position) {
  RowPage* last = window.rows.last;
  if (last == nullptr || last->size == last->capacity) [[unlikely]] {
    make_room(key, window);
    last = window.rows.last;
  }
  last->push(position, row_.data());
  ++window.size;
  advance(key, window, position);
  Moments* const sums = moments(key);
  for (std::size_t c = 0; c < options_.columns; ++c) sums[c].add(row_[c], squares_);
  if (!extremes_.empty() && !window.queues_lost) push_queues(key, position, row_.data());
}

/// Takes out of the present window what is no longer in it; the newest row, which is, has not been added up
/// yet.
void RollingStore::advance(KeyId key, Window& window, std::int64_t newest) {
  const std::int64_t limit = minus(newest, options_.width);
  RowPage* page = window.page;
  std::uint32_t index = window.index;
  Moments* const sums = moments(key);
  while (page->position(index) <= limit) {
    for (std::size_t c = 0; c < options_.columns; ++c) sums[c].remove(page->value(index, c), squares_);
    --window.size;
    ++work_;
    if (++index == page->size) {
      page = page->next;
      index = 0;
    }
  }
  window.page = page;
  window.index = index;
}

void RollingStore::make_room(KeyId key, Window& window) {
  const RowPage* const moved = lists_.make_room(key, window.rows);
  if (window.page == moved) window.page = window.rows.last;  // also the first row: both are null
  drop_old_pages(key, window);
}

void RollingStore::drop_old_pages(KeyId key, Window& window) {
  RowList& rows = window.rows;
  if (rows.first == rows.last) return;
  // The last page may be empty yet.
  const std::int64_t limit =
      minus(rows.last->size > 0 ? rows.newest() : rows.last->previous->last_position(), keep_);
  while (rows.first != window.page && rows.first->last_position() <= limit) {
    if (rows.first->node != nullptr) {
      window.disorder->tree.remove_first(rows.first);
      tree_bytes_ -= PageTree::node_bytes(options_.columns);
    }
    lists_.drop_first(key, rows);
  }
}

void RollingStore::push_queues(KeyId key, std::int64_t position, const WindowValue* values) {
  MonotonicQueue* const queue = queues(key);
  const std::int64_t limit = minus(position, options_.width);
  for (std::size_t e = 0; e < extremes_.size(); ++e) {
    const WindowValue value = values[extremes_[e].column];
    queue[e].expire(limit);
    if (value.kind == Kind::null) continue;
    const std::size_t before = queue[e].bytes();
    work_ +=
        extremes_[e].minimum ? queue[e].push<true>(position, value) : queue[e].push<false>(position, value);
    queue_bytes_ += queue[e].bytes() - before;
  }
}

WindowValue RollingStore::value_of(const RollingOptions::Output& output,
                                   const Moments& moments) const noexcept {
  if (output.aggregate == Aggregate::count) return {Kind::int64, moments.count()};
  if (moments.count() == 0 || static_cast<std::int64_t>(moments.count()) < output.min_periods) return {};
  switch (output.aggregate) {
    case Aggregate::mean:
      return moments.mean();
    case Aggregate::sum:
      return moments.sum();
    case Aggregate::std:
      return moments.deviation(output.ddof);
    case Aggregate::var:
      return moments.variance(output.ddof);
    case Aggregate::count:
    case Aggregate::min:
    case Aggregate::max:
      break;
  }
  return {};
}

namespace {

/// An extreme as users see it: a float64 as soon as the window holds one, and no negative zero.
WindowValue extreme(WindowValue value, const Moments& moments, int min_periods) noexcept {
  if (moments.count() == 0 || static_cast<std::int64_t>(moments.count()) < min_periods) return {};
  if (!moments.any_float()) return value;
  const double number = value.kind == Kind::float64 ? value.float64() : static_cast<double>(value.int64());
  return {Kind::float64, std::bit_cast<std::uint64_t>(number + 0.0)};
}

}  // namespace

void RollingStore::emit(KeyId key, Window& window, std::size_t row) {
  if (window.queues_lost) extremes_from_rows(key, window);
  const Moments* const sums = moments(key);
  const MonotonicQueue* const queue = queues(key);
  for (std::size_t o = 0; o < sinks_.size(); ++o) {
    const RollingOptions::Output& output = options_.outputs[o];
    const Moments& of_column = sums[output.column];
    if (output.aggregate != Aggregate::min && output.aggregate != Aggregate::max) {
      sinks_[o].set(row, value_of(output, of_column));
    } else if (of_column.count() == 0) {
      sinks_[o].set(row, {});
    } else if (window.queues_lost) {
      const ColumnSummary& summary = summary_[output.column];
      const WindowValue value = output.aggregate == Aggregate::min ? summary.minimum : summary.maximum;
      sinks_[o].set(row, extreme(value, of_column, output.min_periods));
    } else {
      sinks_[o].set(row, extreme(queue[extreme_of_[o]].front(), of_column, output.min_periods));
    }
  }
}

void RollingStore::emit_summary(std::size_t row) {
  for (std::size_t o = 0; o < sinks_.size(); ++o) {
    const RollingOptions::Output& output = options_.outputs[o];
    const ColumnSummary& summary = summary_[output.column];
    if (output.aggregate == Aggregate::min || output.aggregate == Aggregate::max) {
      const WindowValue value = output.aggregate == Aggregate::min ? summary.minimum : summary.maximum;
      sinks_[o].set(row, extreme(value, summary.moments, output.min_periods));
    } else {
      sinks_[o].set(row, value_of(output, summary.moments));
    }
  }
}

void RollingStore::emit_null(std::size_t row) {
  for (const Sink& sink : sinks_) sink.set(row, {});
}

}  // namespace tiderace
