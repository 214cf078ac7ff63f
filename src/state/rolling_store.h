#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "columnar/aggregate.h"
#include "columnar/column.h"
#include "state/expiry.h"
#include "state/key_table.h"
#include "state/store.h"
#include "state/window/monotonic_queue.h"
#include "state/window/page_tree.h"
#include "state/window/row_lists.h"

namespace tiderace {

struct RollingOptions {
  std::string step;        ///< the name of the step's state: two steps of a store have different ones
  bool by_time = true;     ///< the rows in (t - width, t]; otherwise the last `width` rows in arrival order
  std::int64_t width = 1;  ///< nanoseconds or rows, at least 1
  std::int64_t grace =
      0;  ///< nanoseconds; a row older than the newest of its key by more than width + grace is late
  std::int64_t ttl = 0;  ///< nanoseconds of event time without a row after which a key is forgotten; 0: never
  std::size_t columns = 1;
  struct Output {
    std::size_t column = 0;
    Aggregate aggregate = Aggregate::mean;
    int min_periods = 1;
    int ddof = 1;
  };
  std::vector<Output> outputs = {};
};

/// The state behind `rolling`: the rows of every key as far back as a window can reach, and what the present
/// window adds up to. Only rows are stored; the rest is made anew when a key is loaded, with the same bits,
/// since every result is an exact function of the rows of its window, rounded once.
///
/// Cost: amortised O(1) a row in order, O(log rows) for one that is not. One thread. Every call may throw
/// Error{state}; the object is then good for nothing but its destruction.
class RollingStore final : public KeyedContainer {
 public:
  /// `store` has the committed state, `keys` the names of keys; both must outlive the object. Keys are read
  /// when they first come.
  RollingStore(RollingOptions options, StateStore& store, KeyTable& keys);
  RollingStore(const RollingStore&) = delete;
  RollingStore& operator=(const RollingStore&) = delete;
  ~RollingStore() override;

  /// Takes rows in arrival order and sets row i of every one of `results` (one an output) to what row i's own
  /// window holds. `values` has a Column for each of `columns`; what is no number counts as null. A late row
  /// is not taken, its results are null and `late[i]` is true; it is false for all others.
  void process(std::span<const KeyId> keys, std::span<const std::int64_t> event_times,
               std::span<const Column> values, std::span<ColumnBuilder> results, std::span<bool> late);

  /// Appends what changed since the last flush, for changelog and store. The cost follows what changed.
  void flush(std::vector<Change>& changes);
  /// Right after a flush: appends the deletes of all keys that `ttl` has forgotten. Results do not depend on
  /// when, or whether, this is called: it makes room. O(state).
  void expire(std::vector<Change>& changes);

  void remap(std::span<const KeyId> kept) override;
  [[nodiscard]] std::size_t bytes() const noexcept override;
  /// Rows, nodes and queue entries looked at since the beginning, for tests of the cost.
  [[nodiscard]] std::uint64_t work() const noexcept { return work_; }

 private:
  struct Disorder {
    Disorder(std::size_t columns, bool squares) : tree(columns, squares) {}
    PageTree tree;
    std::uint32_t in_order_since = 0;  ///< rows since the queues were lost
  };
  struct Window {
    RowPage* page = nullptr;  ///< of the first row of the present window, and where in it
    std::uint32_t index = 0;
    std::uint32_t size = 0;  ///< rows in the present window
    RowList rows;
    std::unique_ptr<Disorder> disorder;  ///< null as long as the pages of the key are few or in order
    bool queues_lost = false;
  };
  struct Extreme {
    std::size_t column;
    bool minimum;
  };
  struct Sink {
    Kind* kinds;
    std::uint64_t* values;
    void set(std::size_t i, WindowValue value) const noexcept {
      kinds[i] = value.kind;
      values[i] = value.payload;
    }
  };

  void load(KeyId key, Window& window);
  void begin_window(KeyId key, Window& window);
  void forget(KeyId key, Window& window);
  void append(KeyId key, Window& window, std::int64_t position);
  void advance(KeyId key, Window& window, std::int64_t newest);
  void make_room(KeyId key, Window& window);
  void drop_old_pages(KeyId key, Window& window);
  void emit(KeyId key, Window& window, std::size_t row);
  void emit_summary(std::size_t row);
  void emit_null(std::size_t row);

  [[nodiscard]] bool process_out_of_order(KeyId key, Window& window, std::int64_t position);
  [[nodiscard]] RowPage* page_for(Window& window, std::int64_t position);
  void sum_up(Window& window, RowPage* page, std::int64_t after, std::int64_t until);
  void enter_window(KeyId key, Window& window, std::int64_t position);
  void extremes_from_rows(KeyId key, Window& window);
  void rebuild_queues(KeyId key, Window& window);
  void push_queues(KeyId key, std::int64_t position, const WindowValue* values);

  [[nodiscard]] Moments* moments(KeyId key) noexcept { return moments_.data() + key * options_.columns; }
  [[nodiscard]] MonotonicQueue* queues(KeyId key) noexcept { return queues_.data() + key * extremes_.size(); }
  [[nodiscard]] WindowValue value_of(const RollingOptions::Output& output,
                                     const Moments& moments) const noexcept;

  RollingOptions options_;
  KeyTable& keys_;
  RowLists lists_;
  StreamTime time_;
  bool squares_ = false;
  std::int64_t keep_ = 0;    ///< rows older than the newest by this much are of no use
  std::int64_t accept_ = 0;  ///< rows older than the newest by more are late
  std::vector<Extreme> extremes_;
  std::vector<std::size_t> extreme_of_;  ///< by output: index into extremes_

  std::vector<Window> windows_;
  std::vector<Moments> moments_;
  std::vector<MonotonicQueue> queues_;
  std::vector<WindowValue> row_;  ///< the values of the row in hand
  std::vector<Sink> sinks_;
  RowSummary summary_;
  std::size_t queue_bytes_ = 0;
  std::size_t tree_bytes_ = 0;
  std::uint64_t work_ = 0;
};

}  // namespace tiderace
