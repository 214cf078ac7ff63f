// The whole job of the crash detector, but for the model: filter, sum of absolute values, 10 s mean per key.

#include <benchmark/benchmark.h>
#include <fmt/format.h>
#include <tiderace/tiderace.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "log/embedded/embedded_log.h"
#include "temporary_directory.h"

namespace tiderace {
namespace {

using namespace std::chrono_literals;

constexpr int riders = 1000;
constexpr std::int64_t step_ms = 250;  // 4 Hz

struct Row {
  std::string key;
  std::int64_t timestamp;
  bool has_force;
  double x;
  double y;
  double z;
};

/// One row in ten lacks the forces.
Row row_at(std::int64_t i) {
  const auto phase = static_cast<double>(i % 9973) / 9973;
  const auto digits = [](double value) { return std::round(value * 1e6) / 1e6; };
  return {
      fmt::format("rider-{}", i % riders), 1'700'000'000'000 + i / riders * step_ms, i % 10 != 7,
      digits(std::sin(phase * 40)),        digits(std::cos(phase * 70) * 2),         digits(9.81 + phase)};
}

StreamingDataFrame features(StreamingDataFrame sdf) {
  sdf = sdf[sdf["gForceX"].notnull()];
  sdf["gForceTotal"] = sdf["gForceX"].abs() + sdf["gForceY"].abs() + sdf["gForceZ"].abs();
  sdf["gForceTotal-10s"] = sdf["gForceTotal"].rolling(10s).mean();
  return sdf;
}

Table make_table(std::int64_t rows) {
  std::vector<std::string> keys;
  std::vector<std::int64_t> times;
  std::vector<std::optional<double>> x, y, z;
  for (std::int64_t i = 0; i < rows; ++i) {
    const Row row = row_at(i);
    keys.push_back(row.key);
    times.push_back(row.timestamp);
    x.push_back(row.has_force ? std::optional(row.x) : std::nullopt);
    y.push_back(row.has_force ? std::optional(row.y) : std::nullopt);
    z.push_back(row.has_force ? std::optional(row.z) : std::nullopt);
  }
  return Table({{"rider", keys}, {"timestamp", times}, {"gForceX", x}, {"gForceY", y}, {"gForceZ", z}});
}

/// Input: columns in memory. Output: a table with the columns of the input and the two new ones.
void whole_job_backtest(benchmark::State& state) {
  const Table table = make_table(2'000'000);
  Application app({.broker_address = "embedded:unused", .consumer_group = "bench"});
  const auto sdf = features(app.dataframe(app.topic("phone-data", {.timestamp = "timestamp"})));
  for (auto _ : state) {
    const Table result = sdf.backtest(table, {.key = "rider", .timestamp = "timestamp"});
    benchmark::DoNotOptimize(result.num_rows());
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(table.num_rows()));
}
BENCHMARK(whole_job_backtest)->Unit(benchmark::kMillisecond);

void write_input(const std::string& address, std::int64_t rows) {
  Application app({.broker_address = address, .consumer_group = "writer"});
  auto producer = app.get_producer();
  for (std::int64_t i = 0; i < rows; ++i) {
    const Row row = row_at(i);
    const std::string forces =
        row.has_force ? fmt::format(R"("gForceX": {}, "gForceY": {}, "gForceZ": {}, )", row.x, row.y, row.z)
                      : "";
    const std::string value = fmt::format(
        R"({{"timestamp": {}, {}"latitude": 52.097342, "longitude": 6.648509, "altitude": 5.0, "speed": 6.73, "heartRate": 124}})",
        row.timestamp, forces);
    producer.produce({.topic = "phone-data", .key = row.key, .value = value, .timestamp = row.timestamp});
  }
}

/// Input and output: JSON records in one embedded log; exactly-once, state in RocksDB.
void whole_job_embedded(benchmark::State& state) {
  constexpr std::int64_t rows = 1'000'000;
  const TemporaryDirectory input;
  write_input("embedded:" + input.path(), rows);
  for (auto _ : state) {
    state.PauseTiming();
    const TemporaryDirectory work;
    std::filesystem::copy(
        input.path(), work.path(),
        std::filesystem::copy_options::recursive | std::filesystem::copy_options::overwrite_existing);
    state.ResumeTiming();
    Application app({.broker_address = "embedded:" + work.path(),
                     .consumer_group = "bench",
                     .processing_guarantee = static_cast<ProcessingGuarantee>(state.range(0))});
    auto sdf = features(app.dataframe(app.topic("phone-data", {.timestamp = "timestamp"})));
    sdf.to_topic(app.topic("alerts"));
    const Summary summary = app.run({.until_end = true});
    if (summary.rows_in != rows) state.SkipWithError("rows are missing");
    state.counters["p99_ms"] = summary.latency_p99_ms;
  }
  state.SetItemsProcessed(state.iterations() * rows);
}
BENCHMARK(whole_job_embedded)->ArgName("exactly_once")->Arg(0)->Arg(1)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace tiderace
