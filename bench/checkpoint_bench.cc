// A checkpoint of 1,000 changed keys in a state of a million: what a rolling mean writes, and RocksDB taking
// it.
#include <benchmark/benchmark.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "state/key_table.h"
#include "state/rolling_store.h"

namespace tiderace {
namespace {

constexpr std::int64_t second = 1'000'000'000;
constexpr std::size_t batch_rows = 4000;

class Task {
 public:
  explicit Task(const std::string& directory)
      : stores_(rocksdb_state_stores(directory)),
        store_(stores_->open("bench")),
        rolling_({.step = "bench", .width = 10 * second, .outputs = {{}}}, *store_, keys_),
        values_{Column::of_float64(std::vector<double>(batch_rows, 1.5))} {}

  /// Rows of `count` keys from `first` at time `at`.
  void process(std::size_t first, std::size_t count, std::int64_t at) {
    std::vector<KeyId> ids;
    for (std::size_t k = first; k < first + count; ++k)
      ids.push_back(keys_.intern("key-" + std::to_string(k)));
    ids.resize(batch_rows, ids.back());
    const std::vector<std::int64_t> times(batch_rows, at);
    std::vector<ColumnBuilder> results;
    results.emplace_back(batch_rows);
    const auto late = std::make_unique<bool[]>(batch_rows);
    rolling_.process(ids, times, values_, results, {late.get(), batch_rows});
  }
  void checkpoint() {
    changes_.clear();
    rolling_.flush(changes_);
    store_->apply(changes_, {++offset_, offset_});
  }

 private:
  std::unique_ptr<StateStores> stores_;
  std::unique_ptr<StateStore> store_;
  KeyTable keys_;
  RollingStore rolling_;
  std::vector<Column> values_;
  std::vector<Change> changes_;
  std::int64_t offset_ = 0;
};

void checkpoint(benchmark::State& state) {
  const auto all = static_cast<std::size_t>(state.range(0));
  const auto changed = static_cast<std::size_t>(state.range(1));
  std::string directory = (std::filesystem::temp_directory_path() / "tiderace-bench-XXXXXX").string();
  if (mkdtemp(directory.data()) == nullptr) return state.SkipWithError("no directory");
  {
    Task task(directory);
    for (std::size_t first = 0; first < all; first += batch_rows) {
      task.process(first, std::min(batch_rows, all - first), 0);
      task.checkpoint();
    }
    std::int64_t at = 0;
    std::size_t first = 0;
    double longest = 0;
    for (auto _ : state) {
      state.PauseTiming();
      task.process(first, changed, at += second / 4);
      first = (first + 7919) % (all - changed);
      const auto begin = std::chrono::steady_clock::now();
      state.ResumeTiming();
      task.checkpoint();
      longest =
          std::max(longest, std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
    }
    state.counters["longest_ms"] = longest * 1e3;
  }
  std::filesystem::remove_all(directory);
}
BENCHMARK(checkpoint)->Args({1'000'000, 1'000})->Args({100'000, 1'000})->Unit(benchmark::kMillisecond);

void open_empty(benchmark::State& state) {
  std::string directory = (std::filesystem::temp_directory_path() / "tiderace-bench-XXXXXX").string();
  if (mkdtemp(directory.data()) == nullptr) return state.SkipWithError("no directory");
  const auto stores = rocksdb_state_stores(directory);
  std::int64_t number = 0;
  for (auto _ : state) benchmark::DoNotOptimize(stores->open(std::to_string(number++)));
  std::filesystem::remove_all(directory);
}
BENCHMARK(open_empty)->Unit(benchmark::kMillisecond);

void get_absent(benchmark::State& state) {
  std::string directory = (std::filesystem::temp_directory_path() / "tiderace-bench-XXXXXX").string();
  if (mkdtemp(directory.data()) == nullptr) return state.SkipWithError("no directory");
  const auto stores = rocksdb_state_stores(directory);
  {
    const auto store = stores->open("bench");
    std::vector<Change> changes;
    for (int k = 0; k < 200'000; ++k) changes.push_back({"key-" + std::to_string(k), std::string(100, 'x')});
    store->apply(changes, {});
  }
  const auto store = stores->open("bench");
  int k = 0;
  for (auto _ : state) benchmark::DoNotOptimize(store->get("none-" + std::to_string(k++)));
  std::filesystem::remove_all(directory);
}
BENCHMARK(get_absent);

}  // namespace
}  // namespace tiderace
