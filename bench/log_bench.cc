#include <benchmark/benchmark.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "log/block.h"
#include "log/embedded/embedded_log.h"
#include "temporary_directory.h"

namespace tiderace {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t run_records = 4096;

/// Records as a phone sends them: about 190 bytes of JSON, a key of 8 bytes.
struct Run {
  Run() {
    for (std::size_t i = 0; i < run_records; ++i) {
      keys.push_back("rider-" + std::to_string(10 + i % 90));
      values.push_back("{\"timestamp\":17000000" + std::to_string(10'000 + i) +
                       ",\"gForceX\":0.0123456789,\"gForceY\":-0.98765432,\"gForceZ\":0.1234567,\"device\":"
                       "\"phone\",\"session\":"
                       "\"0f8fad5b-d9cb-469f-a165-70867728950e\",\"battery\":0.87,\"app\":\"1.2.3\"}");
    }
    for (std::size_t i = 0; i < run_records; ++i) {
      records.push_back({.key = keys[i],
                         .value = values[i],
                         .headers = {},
                         .timestamp_ms = 1'700'000'000'000 + static_cast<std::int64_t>(i)});
    }
  }
  std::vector<std::string> keys;
  std::vector<std::string> values;
  std::vector<ProducerRecord> records;
};

const Run& run() {
  static const Run made;
  return made;
}

void fill(Log& log, std::int64_t records) {
  log.create_topic("in", {});
  const auto producer = log.producer();
  for (std::int64_t written = 0; written < records; written += run_records) {
    producer->send("in", run().records);
    if (written % (run_records * 16) == 0) producer->flush();
  }
  producer->flush();
}

void report(benchmark::State& state, std::int64_t records) {
  state.SetItemsProcessed(records);
  state.SetBytesProcessed(records * static_cast<std::int64_t>(run().values[0].size()));
}

void encode_block(benchmark::State& state) {
  BlockBuilder builder;
  std::int64_t records = 0;
  for (auto _ : state) {
    builder.clear();
    for (const ProducerRecord& record : run().records)
      builder.add(record.key, record.value, record.headers, record.timestamp_ms);
    builder.close();
    benchmark::DoNotOptimize(builder.stamp(0));
    records += run_records;
  }
  report(state, records);
}
BENCHMARK(encode_block);

void decode_blocks(benchmark::State& state) {
  BlockBuilder builder;
  for (const ProducerRecord& record : run().records)
    builder.add(record.key, record.value, record.headers, record.timestamp_ms);
  builder.close();
  const std::string block(builder.stamp(0));
  std::int64_t records = 0;
  std::vector<Record> rows;
  for (auto _ : state) {
    rows.clear();
    benchmark::DoNotOptimize(decode_block(block, 0, 0, rows));
    records += run_records;
  }
  report(state, records);
}
BENCHMARK(decode_blocks);

/// Writes with a commit after every `range(0)` runs.
void write(benchmark::State& state) {
  const TemporaryDirectory directory;
  const auto log = embedded_log(directory.path());
  log->create_topic("out", {});
  const auto producer = log->producer();
  std::int64_t records = 0;
  std::int64_t sends = 0;
  for (auto _ : state) {
    producer->send("out", run().records);
    if (++sends % state.range(0) == 0) producer->flush();
    records += run_records;
  }
  producer->flush();
  report(state, records);
}
BENCHMARK(write)->Arg(1)->Arg(12)->Arg(120)->MeasureProcessCPUTime()->UseRealTime();

/// Reads from an old file: nothing in the write-ahead log.
void read(benchmark::State& state) {
  const TemporaryDirectory directory;
  fill(*embedded_log(directory.path()), 1'000'000);
  const auto log = embedded_log(directory.path());
  std::int64_t offset = 0;
  std::int64_t records = 0;
  for (auto _ : state) {
    const auto read = log->read({"in", 0}, offset, static_cast<std::size_t>(state.range(0)));
    records += static_cast<std::int64_t>(read->rows.size());
    offset = read->rows.empty() ? 0 : read->next_offset;
  }
  report(state, records);
}
BENCHMARK(read)->Arg(1 << 20)->Arg(8 << 20)->MeasureProcessCPUTime()->UseRealTime();

/// What an application does: polls a backlog, writes as many records, commits every 50,000 with its offset.
void copy(benchmark::State& state) {
  const TemporaryDirectory directory;
  const auto log = embedded_log(directory.path());
  log->create_topic("out", {});
  fill(*log, 2'000'000);
  const auto consumer = log->consumer({.group = "g"});
  consumer->subscribe({"in"});
  static_cast<void>(consumer->poll(0ms));
  consumer->start({"in", 0}, 0);
  const auto producer = log->producer();
  std::int64_t records = 0;
  std::vector<ProducerRecord> out;
  for (auto _ : state) {
    const PollResult polled = consumer->poll(0ms);
    if (polled.records.empty()) {
      consumer->start({"in", 0}, 0);
      continue;
    }
    out.clear();
    for (const Record& row : polled.records[0]->rows) {
      out.push_back({.key = row.key_view(),
                     .value = row.value_view(),
                     .headers = {},
                     .timestamp_ms = row.timestamp_ms});
    }
    producer->send("out", out);
    producer->commit("g", std::vector<OffsetCommit>{{{"in", 0}, polled.records[0]->next_offset}});
    records += static_cast<std::int64_t>(out.size());
  }
  report(state, records);
}
BENCHMARK(copy)->MeasureProcessCPUTime()->UseRealTime();

/// A commit of ten records and an offset.
void commit_small(benchmark::State& state) {
  const TemporaryDirectory directory;
  const auto log = embedded_log(directory.path());
  log->create_topic("out", {});
  const auto producer = log->producer();
  std::int64_t next = 0;
  for (auto _ : state) {
    producer->send("out", std::span(run().records).first(10));
    producer->commit("g", std::vector<OffsetCommit>{{{"out", 0}, ++next}});
  }
}
BENCHMARK(commit_small)->MeasureProcessCPUTime()->UseRealTime();

/// A poll that finds nothing, without a commit in between.
void poll_empty(benchmark::State& state) {
  const TemporaryDirectory directory;
  const auto log = embedded_log(directory.path());
  log->create_topic("in", {.num_partitions = 4});
  const auto consumer = log->consumer({.group = "g"});
  consumer->subscribe({"in"});
  for (const auto& partition : consumer->poll(0ms).assigned) consumer->start(partition, 0);
  for (auto _ : state) benchmark::DoNotOptimize(consumer->poll(0ms));
}
BENCHMARK(poll_empty);

/// From the return of a commit to the return of the poll that another thread waits in; the largest of all as
/// `max_us`.
void wake_up(benchmark::State& state) {
  const TemporaryDirectory directory;
  const auto log = embedded_log(directory.path());
  log->create_topic("in", {});
  const auto consumer = log->consumer({.group = "g"});
  consumer->subscribe({"in"});
  static_cast<void>(consumer->poll(0ms));
  consumer->start({"in", 0}, 0);
  double largest = 0;
  for (auto _ : state) {
    std::chrono::steady_clock::time_point committed;
    std::thread writer([&] {
      const auto producer = log->producer();
      producer->send("in", std::span(run().records).first(1));
      producer->flush();
      committed = std::chrono::steady_clock::now();
    });
    while (consumer->poll(1s).records.empty()) {
    }
    const auto woken = std::chrono::steady_clock::now();
    writer.join();
    const double seconds = std::max(0.0, std::chrono::duration<double>(woken - committed).count());
    largest = std::max(largest, seconds);
    state.SetIterationTime(seconds);
  }
  state.counters["max_us"] = largest * 1e6;
}
BENCHMARK(wake_up)->UseManualTime()->Iterations(300);

}  // namespace
}  // namespace tiderace
