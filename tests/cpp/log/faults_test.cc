#include <fmt/format.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "faulty_vfs.h"
#include "log/embedded/embedded_log.h"
#include "temporary_directory.h"
#include "tiderace/error.h"

namespace tiderace {
namespace {

using namespace std::chrono_literals;

constexpr int batches = 3;
const TopicPartition out{"out", 0};

/// Hundreds of logs are opened, and waiting for a disk to sync each would say nothing more.
std::filesystem::path memory_directory() {
  return std::filesystem::exists("/dev/shm") ? "/dev/shm" : std::filesystem::temp_directory_path();
}

struct Progress {
  int committed = 0;  ///< batches whose commit returned
  bool ran_through = false;
};

/// Numbered batches of two records and an offset, read back after each. After a failure a batch is tried once
/// more, as by an application that goes on.
Progress work(const std::string& directory, Durability durability) {
  Progress progress;
  const auto log = embedded_log(
      directory,
      {.durability = durability, .busy_timeout = 50ms, .maintenance_interval = 1h, .vfs = FaultyVfs::name});
  const auto attempt = [](const auto& call) {
    for (int tries = 0;; ++tries) {
      try {
        return call();
      } catch (const Error& error) {
        EXPECT_NE(error.kind(), ErrorKind::bad_row);
        if (tries == 1) throw;
      }
    }
  };
  try {
    attempt([&] { return log->create_topic("out", {}); });
    const auto producer = log->producer();
    for (; progress.committed < batches; ++progress.committed) {
      attempt([&] {
        producer->abort();
        for (int k = 0; k < 2; ++k) {
          const std::string value = fmt::format("{}", 2 * progress.committed + k);
          const std::string large(20'000, 'x');
          const ProducerRecord record{.key = large, .value = value, .headers = {}, .timestamp_ms = 0};
          producer->send("out", {&record, 1});
        }
        return producer->commit("g", std::vector<OffsetCommit>{{out, progress.committed + 1}});
      });
      attempt([&] { return log->read(out, 0, 1 << 20); });
    }
    progress.ran_through = true;
  } catch (const Error&) {
  }
  return progress;
}

/// What is in the log now, all calls working again, is what was committed. If the disk failed for good,
/// perhaps in the middle of a commit, that commit may be there too, as a whole.
void check(const std::string& directory, Progress progress, bool lasting) {
  const auto log = embedded_log(directory, {.busy_timeout = 5s});
  log->create_topic("out", {});
  const auto records = log->read(out, 0, 1 << 20);
  if (lasting && !progress.ran_through &&
      records->rows.size() == 2u * static_cast<unsigned>(progress.committed + 1)) {
    ++progress.committed;
  }
  ASSERT_EQ(records->rows.size(), 2u * static_cast<unsigned>(progress.committed));
  for (std::size_t i = 0; i < records->rows.size(); ++i) {
    ASSERT_EQ(records->rows[i].value_view(), std::to_string(i));
    ASSERT_EQ(records->rows[i].offset, static_cast<std::int64_t>(i));
  }
  const auto offsets = log->group_offsets("g");
  ASSERT_EQ(offsets.empty() ? 0 : offsets.at(out), progress.committed);
}

class Faults : public testing::TestWithParam<std::pair<Durability, bool>> {};

TEST_P(Faults, FailingTheNthCallLosesNothingAndAddsNothing) {
  const auto [durability, lasting] = GetParam();
  FaultyVfs::install();
  for (long n = 1;; ++n) {
    ASSERT_LT(n, 2000);
    SCOPED_TRACE(fmt::format("call {} fails", n));
    const TemporaryDirectory directory(memory_directory());
    FaultyVfs::fail_call(n, lasting);
    const Progress progress = work(directory.path(), durability);
    const bool failed = FaultyVfs::has_failed();
    FaultyVfs::fail_call(0, false);
    ASSERT_NO_FATAL_FAILURE(check(directory.path(), progress, lasting));
    if (failed) continue;
    EXPECT_TRUE(progress.ran_through);
    EXPECT_GT(n, 30) << "so many calls at least have to be seen";
    return;
  }
}

INSTANTIATE_TEST_SUITE_P(All, Faults,
                         testing::Values(std::pair(Durability::normal, false),
                                         std::pair(Durability::normal, true),
                                         std::pair(Durability::full, false),
                                         std::pair(Durability::full, true)),
                         [](const auto& info) {
                           return std::string(info.param.first == Durability::full ? "full" : "normal") +
                                  (info.param.second ? "_for_good" : "_once");
                         });

TEST(Faults, AFullDiskIsNamedAndTheLogGoesOnOnceThereIsRoom) {
  FaultyVfs::install();
  const TemporaryDirectory directory;
  const auto log = embedded_log(directory.path(), {.maintenance_interval = 1h, .vfs = FaultyVfs::name});
  log->create_topic("out", {});
  const auto producer = log->producer();
  const ProducerRecord record{.key = "k", .value = "v", .headers = {}, .timestamp_ms = 0};
  producer->send("out", {&record, 1});
  FaultyVfs::write_code() = SQLITE_FULL;
  FaultyVfs::fail_call(1, true);
  std::string message;
  try {
    producer->flush();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::broker);
    message = error.what();
  }
  FaultyVfs::fail_call(0, false);
  FaultyVfs::write_code() = SQLITE_IOERR_WRITE;
  EXPECT_NE(message.find("log.db"), std::string::npos) << message;
  EXPECT_TRUE(log->read(out, 0, 1000)->rows.empty());
  producer->flush();
  EXPECT_EQ(log->read(out, 0, 1000)->rows.size(), 1u);
}

}  // namespace
}  // namespace tiderace
