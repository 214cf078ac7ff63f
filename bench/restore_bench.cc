// The changelog of 100,000 keys, in the order in which they changed, applied to an empty store on disk: once
// as a function with one value a key leaves it, once with each key changed eight times.
#include <benchmark/benchmark.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "runtime/recovery.h"

namespace tiderace {
namespace {

constexpr std::size_t keys = 100'000;
constexpr std::size_t run_rows = 50'000;  // about what is read at once

/// Runs of a changelog, whose bytes `text` has.
class Changelog {
 public:
  explicit Changelog(std::size_t changes_a_key) {
    std::mt19937_64 random(1);
    std::vector<std::pair<std::string, std::string>> changes;
    for (std::size_t i = 0; i < keys * changes_a_key; ++i) {
      const std::size_t key = changes_a_key == 1 ? i * 2654435761 % keys : random() % keys;
      changes.emplace_back("apply count/rider-" + std::to_string(key) + "/seen", "\1" + std::to_string(i));
    }
    for (const auto& [key, value] : changes) text_ += key + value;
    const char* at = text_.data();
    for (std::size_t i = 0; i < changes.size(); ++i) {
      if (i % run_rows == 0) runs_.emplace_back();
      Record record;
      record.key = at;
      record.key_size = static_cast<std::uint32_t>(changes[i].first.size());
      record.value = at + record.key_size;
      record.value_size = static_cast<std::uint32_t>(changes[i].second.size());
      record.offset = static_cast<std::int64_t>(i);
      at += record.key_size + record.value_size;
      runs_.back().rows.push_back(record);
      runs_.back().next_offset = record.offset + 1;
    }
  }
  [[nodiscard]] const std::vector<Records>& runs() const noexcept { return runs_; }

 private:
  std::string text_;
  std::vector<Records> runs_;
};

void restore(benchmark::State& state) {
  const Changelog changelog(static_cast<std::size_t>(state.range(0)));
  std::string directory = (std::filesystem::temp_directory_path() / "tiderace-bench-XXXXXX").string();
  if (::mkdtemp(directory.data()) == nullptr) std::abort();
  const auto stores = rocksdb_state_stores(directory);
  int number = 0;
  for (auto _ : state) {
    auto store = stores->open("bench/" + std::to_string(number++));
    for (const Records& run : changelog.runs()) apply_changelog(*store, run, std::nullopt);
    state.PauseTiming();
    store.reset();
    state.ResumeTiming();
  }
  std::filesystem::remove_all(directory);
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(keys) * state.range(0));
}
BENCHMARK(restore)->Arg(1)->Arg(8)->ArgName("changes a key")->Unit(benchmark::kMillisecond)->UseRealTime();

}  // namespace
}  // namespace tiderace
