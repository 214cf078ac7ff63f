#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <random>
#include <vector>

#include "child_process.h"
#include "log/embedded/embedded_log.h"
#include "temporary_directory.h"
#include "tiderace/error.h"

namespace tiderace {
namespace {

using namespace std::chrono_literals;

void send(Producer& producer, const std::string& topic, const std::string& key, const std::string& value,
          std::int32_t partition = -1) {
  const ProducerRecord record{.key = key, .value = value, .headers = {}, .timestamp_ms = 0};
  producer.send(topic, {&record, 1}, partition);
}

std::vector<std::string> values(Log& log, const TopicPartition& partition) {
  std::vector<std::string> found;
  for (std::int64_t offset = 0;;) {
    const auto records = log.read(partition, offset, 1 << 20);
    if (records->next_offset == offset) return found;
    for (const Record& row : records->rows) found.emplace_back(row.value_view());
    offset = records->next_offset;
  }
}

TEST(Processes, ConcurrentProducersLoseAndMixNothing) {
  const TemporaryDirectory directory;
  constexpr int processes = 4;
  constexpr int commits = 60;
  std::vector<std::unique_ptr<ChildProcess>> children;
  for (int c = 0; c < processes; ++c) {
    children.push_back(std::make_unique<ChildProcess>([&, c](const ChildProcess::Say&) {
      // All of them make the file, the topic and the records at the same time.
      const auto log = embedded_log(directory.path());
      log->create_topic("t", {});
      const auto producer = log->producer();
      for (int i = 0; i < commits; ++i) {
        for (int k = 0; k < 3; ++k)
          send(*producer, "t", std::to_string(c), fmt::format("{}:{}", c, 3 * i + k));
        producer->commit(fmt::format("g{}", c), std::vector<OffsetCommit>{{{"t", 0}, i + 1}});
      }
    }));
  }
  for (auto& child : children) EXPECT_EQ(child->wait(), 0) << child->line();
  const auto log = embedded_log(directory.path());
  std::map<char, int> next;
  const auto found = values(*log, {"t", 0});
  EXPECT_EQ(found.size(), static_cast<std::size_t>(processes * commits * 3));
  for (std::size_t i = 0; i < found.size(); ++i) {
    EXPECT_EQ(found[i].substr(2), std::to_string(next[found[i][0]]++));
    EXPECT_EQ(found[i][0], found[i - i % 3][0]) << "a commit's records stay together";
  }
  for (int c = 0; c < processes; ++c)
    EXPECT_EQ(log->group_offsets(fmt::format("g{}", c)).at({"t", 0}), commits);
}

TEST(Processes, AReaderInAnotherProcessWakesForACommit) {
  const TemporaryDirectory directory;
  embedded_log(directory.path())->create_topic("t", {});
  ChildProcess reader([&](const ChildProcess::Say& say) {
    const auto log = embedded_log(directory.path());
    const auto consumer = log->consumer({.group = "g"});
    consumer->subscribe({"t"});
    static_cast<void>(consumer->poll(0ms));
    consumer->start({"t", 0}, 0);
    say("ready");
    for (;;) {
      const auto polled = consumer->poll(30s);
      const auto now = std::chrono::steady_clock::now().time_since_epoch().count();
      if (polled.records.empty()) continue;
      say(std::to_string(now));
    }
  });
  ASSERT_EQ(reader.line(), "ready");
  const auto log = embedded_log(directory.path());
  const auto producer = log->producer();
  std::vector<std::chrono::nanoseconds> delays;
  for (int i = 0; i < 21; ++i) {
    send(*producer, "t", "k", "v");
    producer->flush();
    const auto committed = std::chrono::steady_clock::now().time_since_epoch();
    // The clock is the machine's, the same in both processes.
    delays.push_back(std::chrono::nanoseconds(std::stoll(reader.line())) - committed);
  }
  std::sort(delays.begin(), delays.end());
  EXPECT_LT(delays[10], 5ms) << "the median; the rest is the machine's other work";
}

TEST(Processes, AGroupHasOneProcessAndIsFreeTheMomentItDies) {
  const TemporaryDirectory directory;
  const auto hold = [&](const ChildProcess::Say& say) {
    const auto log = embedded_log(directory.path(), {.group_lock_timeout = 60s});
    const auto consumer = log->consumer({.group = "crash detector/1"});
    consumer->subscribe({"t"});
    say("holding");
    ::pause();
  };
  ChildProcess first(hold);
  ASSERT_EQ(first.line(), "holding");
  {
    const auto log = embedded_log(directory.path(), {.group_lock_timeout = 20ms});
    const auto other = log->consumer({.group = "other"});
    other->subscribe({"t"});
    const auto second = log->consumer({.group = "crash detector/1"});
    try {
      second->subscribe({"t"});
      FAIL() << "two processes in one group";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::broker);
      EXPECT_NE(std::string(error.what()).find(fmt::format("process {}", first.pid())), std::string::npos)
          << error.what();
      EXPECT_TRUE(std::string_view(error.what())
                      .ends_with("take another consumer_group (a gateway: another id in gateway.toml)"))
          << error.what();
    }
  }
  ChildProcess waiting(hold);
  first.kill();
  EXPECT_EQ(waiting.line(), "holding");
}

TEST(Processes, TheWorkersOfOneLogShareTheirGroup) {
  const TemporaryDirectory directory;
  const auto log = embedded_log(directory.path(), {.group_lock_timeout = 10ms});
  auto first = log->consumer({.group = "g", .worker = 0, .workers = 2});
  auto second = log->consumer({.group = "g", .worker = 1, .workers = 2});
  first->subscribe({"t"});
  second->subscribe({"t"});
  first.reset();
  const auto other = embedded_log(directory.path(), {.group_lock_timeout = 10ms});
  const auto stranger = other->consumer({.group = "g"});
  EXPECT_THROW(stranger->subscribe({"t"}), Error);
  second.reset();
  stranger->subscribe({"t"});
}

/// Numbered commits, each of three records, one changelog record and an offset; says the number after each.
void write_numbered_commits(const std::string& directory, const ChildProcess::Say& say) {
  // Small limits, so that checkpoints and compaction happen all the time.
  const auto log = embedded_log(directory, {.checkpoint_bytes = 256 << 10,
                                            .max_wal_bytes = 2 << 20,
                                            .maintenance_interval = 1ms,
                                            .min_compaction_bytes = 2000});
  log->create_topic("in", {});
  log->create_topic("out", {});
  log->create_topic("changelog", {.compacted = true});
  const auto producer = log->producer();
  const auto offsets = log->group_offsets("g");
  for (std::int64_t i = offsets.empty() ? 0 : offsets.begin()->second;; ++i) {
    for (int k = 0; k < 3; ++k) send(*producer, "out", "key", std::to_string(3 * i + k));
    send(*producer, "changelog", std::to_string(i % 7), std::to_string(i));
    producer->commit("g", std::vector<OffsetCommit>{{{"in", 0}, i + 1}});
    say(std::to_string(i));
  }
}

TEST(Processes, AKillAtAnyMomentLeavesWhatWasCommittedAndNothingElse) {
  const TemporaryDirectory directory;
  std::mt19937 random(20'240'501);
  std::int64_t said = -1;
  for (int round = 0; round < 25; ++round) {
    {
      ChildProcess writer(
          [&](const ChildProcess::Say& say) { write_numbered_commits(directory.path(), say); });
      for (int lines = std::uniform_int_distribution(0, 60)(random); lines > 0; --lines)
        said = std::stoll(writer.line());
      writer.kill();
      // What it had said before it died.
      for (std::string line; !(line = writer.line()).empty();) said = std::stoll(line);
    }
    if (said < 0) continue;
    const auto log = embedded_log(directory.path());
    const std::int64_t committed = log->group_offsets("g").at({"in", 0});
    ASSERT_GE(committed, said + 1) << "a commit that was acknowledged is gone";
    ASSERT_LE(committed, said + 2);
    const auto found = values(*log, {"out", 0});
    ASSERT_EQ(found.size(), static_cast<std::size_t>(3 * committed));
    for (std::size_t i = 0; i < found.size(); ++i) ASSERT_EQ(found[i], std::to_string(i));
    std::map<std::int64_t, std::int64_t> state;
    for (const std::string& value : values(*log, {"changelog", 0}))
      state[std::stoll(value) % 7] = std::stoll(value);
    for (const auto& [key, value] : state) ASSERT_GT(value, committed - 8) << "key " << key;
    ASSERT_EQ(state.size(), static_cast<std::size_t>(std::min<std::int64_t>(7, committed)));
  }
}

}  // namespace
}  // namespace tiderace
