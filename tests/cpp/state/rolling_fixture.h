#pragma once

#include <limits>
#include <memory>
#include <span>
#include <vector>

#include "rolling_oracle.h"
#include "state/rolling_store.h"

namespace tiderace {

constexpr double infinity = std::numeric_limits<double>::infinity();
inline WindowValue value(double number) {
  return {Kind::float64, std::bit_cast<std::uint64_t>(number)};
}
inline WindowValue value(int number) {
  return {Kind::int64, static_cast<std::uint64_t>(std::int64_t{number})};
}

/// A store under test with all that it stands on; `restart` is a clean stop and start.
class Rolling {
 public:
  explicit Rolling(RollingOptions options, std::unique_ptr<StateStores> stores = memory_state_stores())
      : options_(std::move(options)), stores_(std::move(stores)) {
    start();
  }

  std::vector<OracleResult> process(std::span<const OracleRow> rows) {
    std::vector<KeyId> keys;
    std::vector<std::int64_t> times;
    std::vector<Column> columns;
    for (const OracleRow& row : rows) {
      keys.push_back(keys_->intern(row.key));
      times.push_back(row.event_time);
    }
    for (std::size_t c = 0; c < options_.columns; ++c) {
      ColumnBuilder builder(rows.size());
      for (std::size_t i = 0; i < rows.size(); ++i) {
        builder.kinds()[i] = rows[i].values[c].kind;
        builder.values()[i] = rows[i].values[c].payload;
      }
      columns.emplace_back(std::move(builder));
    }
    std::vector<ColumnBuilder> results;
    for (std::size_t o = 0; o < options_.outputs.size(); ++o) results.emplace_back(rows.size());
    const auto late = std::make_unique<bool[]>(rows.size());
    rolling_->process(keys, times, columns, results, {late.get(), rows.size()});
    std::vector<OracleResult> out(rows.size());
    for (std::size_t i = 0; i < rows.size(); ++i) {
      out[i].late = late[i];
      for (ColumnBuilder& result : results) out[i].values.push_back({result.kinds()[i], result.values()[i]});
    }
    return out;
  }
  OracleResult process(const OracleRow& row) { return process(std::span(&row, 1))[0]; }

  std::vector<Change> checkpoint() {
    std::vector<Change> changes;
    rolling_->flush(changes);
    store_->apply(changes, {});
    return changes;
  }
  void restart() {
    checkpoint();
    start();
  }
  void start() {
    rolling_.reset();
    keys_ = std::make_unique<KeyTable>();
    store_ = stores_->open("t");
    rolling_ = std::make_unique<RollingStore>(options_, *store_, *keys_);
  }

  RollingStore& rolling() { return *rolling_; }
  KeyTable& keys() { return *keys_; }
  StateStore& store() { return *store_; }

 private:
  RollingOptions options_;
  std::unique_ptr<StateStores> stores_;
  std::unique_ptr<StateStore> store_;
  std::unique_ptr<KeyTable> keys_;
  std::unique_ptr<RollingStore> rolling_;
};

inline RollingOptions all_of(std::int64_t width, std::size_t columns = 1) {
  RollingOptions options{.step = "s", .width = width, .columns = columns};
  for (std::size_t c = 0; c < columns; ++c) {
    for (const Aggregate aggregate : {Aggregate::mean, Aggregate::sum, Aggregate::min, Aggregate::max,
                                      Aggregate::count, Aggregate::std, Aggregate::var}) {
      options.outputs.push_back({.column = c, .aggregate = aggregate});
    }
  }
  return options;
}

}  // namespace tiderace
