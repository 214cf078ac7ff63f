// Kills a running service again and again, at random moments, while another process writes its input;
// sometimes its local state is lost as well. What it wrote is then what a backtest of the same rows gives.

#include <gtest/gtest.h>

#include <bit>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>

#include "log/embedded/embedded_log.h"
#include "pipeline.h"
#include "process.h"
#include "rows.h"
#include "temporary_directory.h"

namespace {

using tiderace::Consumer;
using tiderace::Log;
using tiderace::Table;
using tiderace::TopicPartition;
namespace fs = std::filesystem;

/// One row of the result: bits, not numbers, so that nothing is equal by rounding.
struct Alert {
  std::int64_t number;
  std::int64_t seen;
  std::optional<std::uint64_t> mean, most, change;
  bool operator==(const Alert&) const = default;
};
using Alerts = std::map<std::string, std::vector<Alert>>;

std::optional<std::uint64_t> bits(const std::optional<double>& value) {
  if (!value) return std::nullopt;
  return std::bit_cast<std::uint64_t>(*value);
}

Alerts by_rider(const Table& table) {
  const auto riders = table.column<std::string>("rider");
  const auto numbers = table.column<std::int64_t>("n");
  const auto seen = table.column<std::int64_t>("seen");
  const auto mean = table.column<double>("mean");
  const auto most = table.column<double>("most");
  const auto change = table.column<double>("change");
  Alerts alerts;
  for (std::size_t i = 0; i < table.num_rows(); ++i)
    alerts[*riders[i]].push_back({*numbers[i], *seen[i], bits(mean[i]), bits(most[i]), bits(change[i])});
  return alerts;
}

/// Another run of kills with every value of the environment variable TIDERACE_TEST_SEED.
unsigned seed_of_run() {
  const char* seed = std::getenv("TIDERACE_TEST_SEED");
  return seed == nullptr ? 1 : static_cast<unsigned>(std::strtoul(seed, nullptr, 10));
}

/// A service, its writer, and what can be seen of them from outside.
class Trial {
 public:
  explicit Trial(std::string guarantee)
      : guarantee_(std::move(guarantee)),
        random_(seed_of_run()),
        log_(tiderace::embedded_log(directory_.path())) {
    tiderace::TopicConfig config;
    config.num_partitions = 3;
    log_->create_topic("phone-data", config);
    log_->create_topic("alerts", config);
    watcher_ = log_->consumer({.group = "watcher"});
    watcher_->subscribe({"alerts"});
    writer_.emplace(std::vector<std::string>{CRASH_WRITER, directory_.path()});
  }

  void append(std::uint64_t rows) {
    writer_->write_line(std::to_string(rows));
    for (const std::uint64_t end = appended_ + rows; appended_ < end; ++appended_)
      expected_alerts_ += crash::phone_row(appended_).alert ? 1 : 0;
  }

  /// Starts the service, gives it rows, and ends it by `signal` after some of them, at any phase of a commit.
  void run_and_signal(int signal) {
    crash::Process service({CRASH_SERVICE, directory_.path(), guarantee_});
    append(below(800));
    const std::uint64_t outstanding = expected_alerts_ > seen_ ? expected_alerts_ - seen_ : 0;
    ASSERT_NO_FATAL_FAILURE(wait_for(seen_ + below(outstanding + 1), service));
    spin(std::chrono::microseconds(below(4000)));
    service.signal(signal);
    const int status = service.wait();
    // A signal may come before the handler is there, or a clean end before the signal.
    ASSERT_TRUE(status == -signal || (signal == SIGTERM && status == 0)) << "status " << status;
  }

  void lose_state() const { fs::remove_all(directory_.path() + "/state"); }

  /// Lets the writer and then the service do what is left.
  void finish() {
    writer_->close_input();
    ASSERT_EQ(writer_->wait(), 0);
    crash::Process service({CRASH_SERVICE, directory_.path(), guarantee_, "--until-end"});
    ASSERT_EQ(service.wait(), 0);
  }

  [[nodiscard]] Alerts found() const { return by_rider(table(values("alerts"))); }
  [[nodiscard]] std::vector<std::string> dead_letters() const { return values("crash-dead-letters"); }

  /// What the same rows give without log, crash and clock.
  [[nodiscard]] Alerts expected() const {
    tiderace::ApplicationOptions options;
    options.broker_address = "embedded:" + directory_.path() + "/backtest";
    options.consumer_group = "backtest";
    options.on_error = tiderace::ErrorPolicy::skip;
    tiderace::Application app(options);
    std::vector<std::string> rows;
    for (std::uint64_t i = 0; i < appended_; ++i) rows.push_back(crash::phone_row(i).text);
    return by_rider(crash::pipeline(app).backtest(table(rows), {.key = "rider", .timestamp = "timestamp"}));
  }
  [[nodiscard]] std::uint64_t appended() const { return appended_; }
  [[nodiscard]] std::uint64_t below(std::uint64_t limit) {
    return std::uniform_int_distribution<std::uint64_t>(0, limit - 1)(random_);
  }

 private:
  void wait_for(std::uint64_t alerts, crash::Process& service) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (seen_ < alerts) {
      const tiderace::PollResult result = watcher_->poll(std::chrono::milliseconds(20));
      for (const TopicPartition& partition : result.assigned) watcher_->start(partition, 0);
      for (const auto& records : result.records) seen_ += records->rows.size();
      ASSERT_FALSE(service.ended()) << "the service ended by itself with status " << service.wait();
      ASSERT_FALSE(writer_->ended()) << "the writer ended";
      ASSERT_LT(std::chrono::steady_clock::now(), deadline) << "found " << seen_ << " of " << alerts;
    }
  }

  static void spin(std::chrono::microseconds time) {
    const auto end = std::chrono::steady_clock::now() + time;
    while (std::chrono::steady_clock::now() < end) {
    }
  }

  [[nodiscard]] std::vector<std::string> values(const std::string& topic) const {
    std::vector<std::string> found;
    const auto info = log_->topic(topic);
    for (std::int32_t p = 0; info && p < info->config.num_partitions; ++p) {
      for (std::int64_t offset = 0;;) {
        const auto records = log_->read({topic, p}, offset, 1 << 20);
        if (!records || records->rows.empty()) break;
        offset = records->next_offset;
        for (const tiderace::Record& record : records->rows) found.emplace_back(record.value_view());
      }
    }
    return found;
  }

  [[nodiscard]] Table table(const std::vector<std::string>& rows) const {
    const std::string path = directory_.path() + "/rows.ndjson";
    std::ofstream file(path);
    for (const std::string& row : rows) file << row << '\n';
    file.close();
    return Table::read_ndjson(path);
  }

  tiderace::TemporaryDirectory directory_;
  std::string guarantee_;
  std::mt19937_64 random_;
  std::unique_ptr<Log> log_;
  std::unique_ptr<Consumer> watcher_;
  std::optional<crash::Process> writer_;
  std::uint64_t appended_ = 0;
  std::uint64_t expected_alerts_ = 0;
  std::uint64_t seen_ = 0;
};

std::vector<std::string> expected_dead_letters(std::uint64_t rows) {
  std::vector<std::string> letters;
  for (std::uint64_t i = 0; i < rows; ++i) {
    const std::string text = crash::phone_row(i).text;
    if (text.find("high") != std::string::npos) letters.push_back(text);
  }
  std::sort(letters.begin(), letters.end());
  return letters;
}

TEST(Kill, UnderExactlyOnceLosesAndDoublesNothing) {
  Trial trial("exactly-once");
  for (int kill = 1; kill <= 60; ++kill) {
    SCOPED_TRACE(kill);
    ASSERT_NO_FATAL_FAILURE(trial.run_and_signal(kill % 8 == 0 ? SIGTERM : SIGKILL));
    if (trial.below(5) == 0) trial.lose_state();
  }
  ASSERT_NO_FATAL_FAILURE(trial.finish());
  const Alerts found = trial.found();
  const Alerts expected = trial.expected();
  ASSERT_EQ(found.size(), expected.size());
  for (const auto& [rider, alerts] : expected) {
    ASSERT_EQ(found.at(rider).size(), alerts.size()) << rider;
    EXPECT_TRUE(found.at(rider) == alerts) << rider;
  }
  std::vector<std::string> letters = trial.dead_letters();
  std::sort(letters.begin(), letters.end());
  EXPECT_TRUE(letters == expected_dead_letters(trial.appended())) << letters.size();
}

TEST(Kill, UnderAtLeastOnceLosesNothingAndRepeatsEqualRows) {
  Trial trial("at-least-once");
  for (int kill = 1; kill <= 15; ++kill) {
    SCOPED_TRACE(kill);
    ASSERT_NO_FATAL_FAILURE(trial.run_and_signal(SIGKILL));
    if (trial.below(5) == 0) trial.lose_state();
  }
  ASSERT_NO_FATAL_FAILURE(trial.finish());
  const Alerts found = trial.found();
  for (const auto& [rider, alerts] : trial.expected()) {
    std::map<std::int64_t, Alert> expected;
    for (const Alert& alert : alerts) expected.emplace(alert.number, alert);
    std::map<std::int64_t, Alert> seen;
    for (const Alert& alert : found.at(rider)) {
      ASSERT_TRUE(expected.contains(alert.number)) << rider;
      EXPECT_TRUE(alert == expected.at(alert.number)) << rider << " row " << alert.number;
      seen.emplace(alert.number, alert);
    }
    EXPECT_EQ(seen.size(), expected.size()) << rider;
  }
}

}  // namespace
