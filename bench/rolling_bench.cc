// Rolling aggregates per key: rows of interleaved keys, 4 a second and key, in batches of 4096.
#include <benchmark/benchmark.h>

#include <memory>
#include <random>
#include <string>
#include <vector>

#include "state/key_table.h"
#include "state/rolling_store.h"

namespace tiderace {
namespace {

constexpr std::size_t batch_rows = 4096;
constexpr std::int64_t second = 1'000'000'000;

struct Load {
  std::size_t keys;
  std::int64_t window_s;
  unsigned disorder_percent = 0;
};

void run(benchmark::State& state, const Load& load, const std::vector<Aggregate>& aggregates) {
  const auto stores = memory_state_stores();
  const auto store = stores->open("bench");
  KeyTable table;
  for (std::size_t k = 0; k < load.keys; ++k) (void)table.intern("key-" + std::to_string(k));
  RollingOptions options{.step = "bench", .width = load.window_s * second};
  for (const Aggregate aggregate : aggregates) options.outputs.push_back({.aggregate = aggregate});
  RollingStore rolling(options, *store, table);

  std::mt19937_64 random(1);
  std::vector<KeyId> keys(batch_rows);
  std::vector<std::int64_t> times(batch_rows);
  std::vector<double> numbers(batch_rows);
  for (double& number : numbers)
    number = std::ldexp(static_cast<double>(static_cast<std::int64_t>(random())), -63) * 20;
  const std::vector<Column> values{Column::of_float64(numbers)};
  const auto late = std::make_unique<bool[]>(batch_rows);
  std::uint64_t row = 0;
  const auto batch = [&] {
    for (std::size_t i = 0; i < batch_rows; ++i, ++row) {
      keys[i] = static_cast<KeyId>(row % load.keys);
      times[i] = static_cast<std::int64_t>(row / load.keys) * (second / 4);
      if (load.disorder_percent > 0 && random() % 100 < load.disorder_percent) {
        times[i] -= static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(options.width));
      }
    }
    std::vector<ColumnBuilder> results;
    for (std::size_t o = 0; o < aggregates.size(); ++o) results.emplace_back(batch_rows);
    rolling.process(keys, times, values, results, {late.get(), batch_rows});
    benchmark::DoNotOptimize(results[0].values()[0]);
  };
  // Full windows first, as far as that fits memory.
  const std::uint64_t full =
      std::min<std::uint64_t>(load.keys * static_cast<std::uint64_t>(load.window_s) * 4 * 2, 12'000'000);
  while (row < full) batch();
  for (auto _ : state) {
    batch();
    // What a checkpoint would take is let go, so that lists of changes do not grow without end.
    if (row % (batch_rows * 256) == 0) {
      state.PauseTiming();
      std::vector<Change> changes;
      rolling.flush(changes);
      state.ResumeTiming();
    }
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations()) *
                          static_cast<std::int64_t>(batch_rows));
  state.counters["state_MB"] = static_cast<double>(table.bytes()) / 1e6;
}

void mean(benchmark::State& state, Load load) {
  run(state, load, {Aggregate::mean});
}
void minimum_maximum(benchmark::State& state, Load load) {
  run(state, load, {Aggregate::min, Aggregate::max});
}
void deviation(benchmark::State& state, Load load) {
  run(state, load, {Aggregate::std});
}

BENCHMARK_CAPTURE(mean, keys_1e3_window_10s, Load{1'000, 10});
BENCHMARK_CAPTURE(mean, keys_1e3_window_1s, Load{1'000, 1});
BENCHMARK_CAPTURE(mean, keys_1e3_window_1h, Load{1'000, 3600});
BENCHMARK_CAPTURE(mean, keys_1e5_window_10s, Load{100'000, 10});
BENCHMARK_CAPTURE(mean, keys_1e6_window_1s, Load{1'000'000, 1});
BENCHMARK_CAPTURE(mean, keys_1e3_window_10s_disorder_10, Load{1'000, 10, 10});
BENCHMARK_CAPTURE(mean, keys_1e2_window_1h_disorder_10, Load{100, 3600, 10});
BENCHMARK_CAPTURE(minimum_maximum, keys_1e3_window_10s, Load{1'000, 10});
BENCHMARK_CAPTURE(minimum_maximum, keys_1e2_window_1h_disorder_10, Load{100, 3600, 10});
BENCHMARK_CAPTURE(deviation, keys_1e3_window_10s, Load{1'000, 10});

void intern(benchmark::State& state) {
  const auto count = static_cast<std::size_t>(state.range(0));
  std::vector<std::string> names;
  for (std::size_t k = 0; k < count; ++k) names.push_back("rider-" + std::to_string(k * 7919));
  KeyTable table;
  std::mt19937_64 random(1);
  std::vector<std::string_view> keys(batch_rows);
  std::vector<KeyId> ids(batch_rows);
  for (auto _ : state) {
    state.PauseTiming();
    for (std::string_view& key : keys) key = names[random() % count];
    state.ResumeTiming();
    table.intern(keys, ids);
    benchmark::DoNotOptimize(ids[0]);
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations()) *
                          static_cast<std::int64_t>(batch_rows));
}
BENCHMARK(intern)->Arg(1'000)->Arg(1'000'000);

}  // namespace
}  // namespace tiderace
