// Every file of tests/golden under all settings that must not matter: batch sizes, workers, crashes with
// restore, and logs. TIDERACE_REWRITE=1 fills expectations in (to be reviewed like code).

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <set>

#include "golden/golden_case.h"
#include "golden/test_log.h"
#include "log/embedded/embedded_log.h"
#include "log/memory/memory_log.h"
#include "plan/parse/parse.h"
#include "runtime/runner.h"

namespace tiderace {
namespace {

namespace fs = std::filesystem;
using Rows = std::vector<GoldenCase::Row>;

struct Mode {
  std::size_t batch_rows = 4096;
  int workers = 1;
  bool crash = false;
  bool embedded = false;
  bool exactly_once = true;
  std::string name() const {
    return "batch" + std::to_string(batch_rows) + "_workers" + std::to_string(workers) +
           (crash ? "_crash" : "_straight") + (embedded ? "_embedded" : "_memory") +
           (exactly_once ? "" : "_alo");
  }
};

std::vector<Mode> modes() {
  std::vector<Mode> all;
  for (const std::size_t batch_rows : {1, 3, 4096}) {
    for (const int workers : {1, 2}) {
      for (const bool crash : {false, true}) {
        for (const bool embedded : {false, true}) all.push_back({batch_rows, workers, crash, embedded, true});
      }
    }
  }
  return all;
}

std::vector<std::string> golden_files() {
  std::vector<std::string> files;
  for (const auto& entry : fs::directory_iterator(TIDERACE_SOURCE_DIR "/tests/golden")) {
    if (entry.path().extension() == ".txt") files.push_back(entry.path().string());
  }
  std::sort(files.begin(), files.end());
  return files;
}

/// Keeps the order of each key, as that of different keys may differ between runs.
Rows by_key(Rows rows) {
  std::stable_sort(rows.begin(), rows.end(), [](const auto& a, const auto& b) { return a.key < b.key; });
  return rows;
}

std::string to_text(const Rows& rows) {
  std::string text;
  for (const auto& row : rows) text += row.key + ' ' + row.text + '\n';
  return text;
}

class GoldenRun {
 public:
  GoldenRun(const GoldenCase& golden, const Mode& mode) : golden_(golden), mode_(mode) {
    if (mode.embedded) {
      directory_ = fs::temp_directory_path() / ("tiderace-golden-" + std::to_string(::getpid()));
      fs::remove_all(directory_);
    }
    base_ = mode.embedded ? std::shared_ptr<Log>(embedded_log(directory_.string()))
                          : std::shared_ptr<Log>(memory_log());
    log_ = std::make_shared<TestLog>(base_, mode.batch_rows);
    TopicConfig config;
    config.num_partitions = 2;
    base_->create_topic("in", config);
    write_input();
  }
  ~GoldenRun() {
    context_ = RuntimeContext();  // it holds the log, which works in the background as long as it lives
    log_.reset();
    base_.reset();
    if (!directory_.empty()) fs::remove_all(directory_);
  }

  void run() {
    auto stores =
        mode_.embedded ? rocksdb_state_stores((directory_ / "state").string()) : memory_state_stores();
    context_.options.consumer_group = "golden";
    context_.options.on_error = ErrorPolicy::dead_letter;
    context_.options.processing_guarantee = ProcessingGuarantee::exactly_once;
    context_.options.commit_interval = std::chrono::nanoseconds(1);
    context_.options.workers = mode_.workers;
    context_.log = log_;
    context_.stores = std::move(stores);
    // With crashes every second commit fails, so each run gets one checkpoint further than the one before.
    for (int attempt = 0;; ++attempt) {
      ASSERT_LT(attempt, 1000) << "no progress";
      log_->commits_until_failure = mode_.crash ? 1 : -1;
      if (run_once()) return;
    }
  }

  Rows output() { return read("out", false); }
  Rows bad() { return read("golden-dead-letters", true); }

 private:
  bool run_once() {
    auto pipeline = plan::Pipeline::make();
    static_cast<void>(plan::parse_plan(pipeline, golden_.plan));
    std::vector<std::unique_ptr<Stage>> stages;
    std::set<NodePtr> sources;
    for (const NodePtr& end : pipeline->ends()) {
      const NodePtr source = source_of(end);
      if (sources.insert(source).second)
        stages.push_back(std::make_unique<Stage>(resolve_stage(source, pipeline->ends())));
    }
    RunLimits limits;
    limits.until_end = true;
    RunState state;
    Summary summary;
    try {
      run_stages(context_, stages, limits, state, summary);
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::broker) throw;
      return false;
    }
    return true;
  }

  void write_input() {
    auto producer = base_->producer();
    std::int64_t timestamp = 1000;
    for (const auto& row : golden_.input) {
      ProducerRecord record;
      if (row.key != "-") record.key = row.key;
      record.value = row.text;
      record.timestamp_ms = timestamp++;
      // Rows without a key go to one partition, so that their order is known.
      producer->send("in", std::span(&record, 1), row.key == "-" ? 0 : -1);
    }
    producer->flush();
  }

  Rows read(const std::string& topic, bool bad_rows) {
    Rows rows;
    const auto info = base_->topic(topic);
    if (!info) return rows;
    for (std::int32_t p = 0; p < info->config.num_partitions; ++p) {
      for (std::int64_t offset = 0;;) {
        const auto records = base_->read({topic, p}, offset, 1 << 20);
        if (!records || records->rows.empty()) break;
        offset = records->next_offset;
        for (const Record& record : records->rows) rows.push_back(as_row(record, bad_rows));
      }
    }
    return by_key(rows);
  }

  static GoldenCase::Row as_row(const Record& record, bool bad_row) {
    std::string key = record.key == nullptr ? "-" : std::string(record.key_view());
    if (!bad_row) return {std::move(key), std::string(record.value_view())};
    std::string text;
    for (const auto& [name, value] : unpack_headers(record.headers_view())) {
      if (name == "__tiderace.errors.kind") text = *value;
      if (name == "__tiderace.errors.message") text += ' ' + *value;
    }
    return {std::move(key), std::move(text)};
  }

  const GoldenCase& golden_;
  Mode mode_;
  fs::path directory_;
  std::shared_ptr<Log> base_;
  std::shared_ptr<TestLog> log_;
  RuntimeContext context_;
};

void rewrite(const std::string& path, const GoldenCase& golden, const Rows& output, const Rows& bad) {
  std::ofstream file(path);
  file << golden.plan << "----\n" << to_text(golden.input) << "----\n" << to_text(output);
  if (!bad.empty()) file << "----\n" << to_text(bad);
}

class Golden : public testing::TestWithParam<std::string> {};

TEST_P(Golden, GivesTheSameUnderEverySetting) {
  const GoldenCase golden = GoldenCase::read(GetParam());
  if (std::getenv("TIDERACE_REWRITE") != nullptr) {
    GoldenRun run(golden, Mode{});
    run.run();
    rewrite(GetParam(), golden, run.output(), run.bad());
    return;
  }
  for (const Mode& mode : modes()) {
    SCOPED_TRACE(mode.name());
    GoldenRun run(golden, mode);
    ASSERT_NO_FATAL_FAILURE(run.run());
    EXPECT_EQ(to_text(run.output()), to_text(by_key(golden.output)));
    EXPECT_EQ(to_text(run.bad()), to_text(by_key(golden.bad)));
    if (HasFailure()) return;
  }
}

INSTANTIATE_TEST_SUITE_P(Files, Golden, testing::ValuesIn(golden_files()),
                         [](const auto& parameter) { return fs::path(parameter.param).stem().string(); });

}  // namespace
}  // namespace tiderace
