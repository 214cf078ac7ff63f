#include <gtest/gtest.h>
#include <sqlite3.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <functional>
#include <thread>

#include "held_clock.h"
#include "log/embedded/group_lock.h"
#include "log/open.h"
#include "temporary_directory.h"
#include "tiderace/error.h"

namespace tiderace {
namespace {

using namespace std::chrono_literals;

std::string message_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    return std::string(to_string(error.kind())) + ": " + error.what();
  }
  return "no error";
}

void write(Log& log, const std::string& topic, const std::string& value, std::int64_t timestamp_ms = 0) {
  const auto producer = log.producer();
  const ProducerRecord record{.key = "k", .value = value, .headers = {}, .timestamp_ms = timestamp_ms};
  producer->send(topic, {&record, 1});
  producer->flush();
}

/// Runs SQL on the file of a log that is closed.
void run_sql(const std::string& directory, const std::string& sql) {
  sqlite3* database = nullptr;
  ASSERT_EQ(sqlite3_open((directory + "/log.db").c_str(), &database), SQLITE_OK);
  EXPECT_EQ(sqlite3_exec(database, sql.c_str(), nullptr, nullptr, nullptr), SQLITE_OK)
      << sqlite3_errmsg(database);
  sqlite3_close(database);
}

TEST(EmbeddedLog, AddressesNameADirectoryOrAreRefused) {
  const TemporaryDirectory directory;
  EXPECT_TRUE(open_log("embedded:" + directory.path() + "/made/here")->create_topic("t", {}));
  EXPECT_TRUE(std::filesystem::exists(directory.path() + "/made/here/log.db"));
  for (const char* kafka : {"localhost:9092", "10.0.0.1:9092,[::1]:19092"})
    EXPECT_NE(open_log(kafka), nullptr) << kafka;  // nothing is contacted yet
  for (const char* address :
       {"", "embedded:", "localhost", "localhost:", ":9092", "a:1,", "a:1,b", "a:123456", "a b:1"}) {
    const std::string refused = message_of([&] { open_log(address); });
    EXPECT_EQ(refused.substr(0, 7), "config:") << address;
    EXPECT_NE(refused.find("wanted host:port of Kafka, or embedded:DIR"), std::string::npos) << refused;
  }
}

/// What is acknowledged would be in a file that no name leads to.
TEST(EmbeddedLog, ADeletedLogIsNeitherWrittenNorRead) {
  for (const bool another : {false, true}) {
    const TemporaryDirectory directory;
    const std::string path = directory.path() + "/log";
    const auto log = embedded_log(path, {});
    log->create_topic("t", {});
    const auto producer = log->producer();
    const auto consumer = log->consumer({.group = "g"});
    const ProducerRecord record{.key = "k", .value = "v", .headers = {}, .timestamp_ms = 0};
    producer->send("t", {&record, 1});
    producer->flush();
    consumer->subscribe({"t"});
    consumer->poll(0ms);
    consumer->start({"t", 0}, 0);
    EXPECT_EQ(consumer->poll(0ms).records.size(), 1u);
    std::filesystem::remove_all(path);
    if (another) embedded_log(path, {})->create_topic("t", {});
    const std::string unwritten = message_of([&] {
      producer->send("t", {&record, 1});
      producer->flush();
    });
    EXPECT_EQ(unwritten.find("state: embedded log " + path), 0u) << unwritten;
    EXPECT_NE(unwritten.find("deleted, moved or replaced"), std::string::npos) << unwritten;
    const std::string unread = message_of([&] {
      const auto deadline = std::chrono::steady_clock::now() + 30s;
      while (std::chrono::steady_clock::now() < deadline) EXPECT_TRUE(consumer->poll(100ms).records.empty());
    });
    EXPECT_NE(unread.find("deleted, moved or replaced"), std::string::npos) << unread;
    // Nor is another one that is there now taken for it, by what is opened anew.
    const std::string unopened = message_of([&] { write(*log, "t", "after"); });
    EXPECT_NE(unopened.find("deleted, moved or replaced"), std::string::npos) << unopened;
    const std::string unseen = message_of([&] { static_cast<void>(log->topic("t2")); });
    EXPECT_NE(unseen.find("deleted, moved or replaced"), std::string::npos) << unseen;
    EXPECT_FALSE(!another && std::filesystem::exists(path + "/log.db"));
  }
}

TEST(EmbeddedLog, NothingIsMadeBeforeTheFirstUse) {
  const TemporaryDirectory directory;
  const auto log = open_log("embedded:" + directory.path() + "/log");
  const auto consumer = log->consumer({.group = "g"});
  const auto producer = log->producer();
  EXPECT_FALSE(std::filesystem::exists(directory.path() + "/log"));
}

TEST(EmbeddedLog, EverythingIsThereAfterReopening) {
  const TemporaryDirectory directory;
  {
    const auto log = embedded_log(directory.path());
    log->create_topic("t", {.num_partitions = 2, .retention_bytes = 1 << 20});
    write(*log, "t", "a");
    log->producer()->commit("g", std::vector<OffsetCommit>{{{"t", 1}, 1}});
  }
  const auto log = embedded_log(directory.path());
  EXPECT_EQ(log->topic("t")->config.retention_bytes, 1 << 20);
  EXPECT_EQ(log->offsets({"t", partition_of("k", 2)}).second, 1);
  EXPECT_EQ(log->group_offsets("g").at({"t", 1}), 1);
}

TEST(EmbeddedLog, ADirectoryThatCannotBeMadeIsNamed) {
  const std::string message = message_of([] { embedded_log("/proc/tiderace")->topics(); });
  EXPECT_EQ(message.substr(0, 7), "broker:");
  EXPECT_NE(message.find("/proc/tiderace"), std::string::npos) << message;
  const TemporaryDirectory directory;
  std::ofstream(directory.path() + "/file") << "x";
  EXPECT_NE(message_of([&] { embedded_log(directory.path() + "/file")->topics(); }).find("/file"),
            std::string::npos);
}

TEST(EmbeddedLog, AFileOfSomethingElseIsRefusedAndLeftAlone) {
  const TemporaryDirectory directory;
  const std::string text(5000, 'x');
  std::ofstream(directory.path() + "/log.db") << text;
  const std::string message = message_of([&] { embedded_log(directory.path())->topics(); });
  EXPECT_EQ(message.substr(0, 7), "config:") << message;
  EXPECT_NE(message.find("none of Tiderace's"), std::string::npos) << message;
  EXPECT_EQ(std::filesystem::file_size(directory.path() + "/log.db"), text.size());

  const TemporaryDirectory other;
  run_sql(other.path(), "CREATE TABLE notes(text)");
  EXPECT_NE(message_of([&] { embedded_log(other.path())->topics(); }).find("none of Tiderace's"),
            std::string::npos);
}

TEST(EmbeddedLog, ANewerSchemaIsRefused) {
  const TemporaryDirectory directory;
  embedded_log(directory.path())->topics();
  run_sql(directory.path(), "PRAGMA user_version=2");
  const std::string message = message_of([&] { embedded_log(directory.path())->topics(); });
  EXPECT_NE(message.find("wanted schema version 1, found 2; a newer Tiderace wrote it"), std::string::npos)
      << message;
}

TEST(EmbeddedLog, ADamagedBlockIsNamedAndWhatIsBeforeAndBehindItIsRead) {
  const TemporaryDirectory directory;
  {
    const auto log = embedded_log(directory.path());
    log->create_topic("t", {});
    for (const char* value : {"first", "second", "third"}) write(*log, "t", value);
  }
  run_sql(
      directory.path(),
      "UPDATE blocks SET block = substr(block, 1, 45) || x'00' || substr(block, 47) WHERE base_offset = 1");
  const auto log = embedded_log(directory.path());
  const auto good = log->read({"t", 0}, 0, 1 << 20);
  ASSERT_EQ(good->rows.size(), 1u);
  EXPECT_EQ(good->next_offset, 1);
  const std::string message = message_of([&] { log->read({"t", 0}, 1, 1 << 20); });
  EXPECT_EQ(message.substr(0, 6), "state:") << message;
  EXPECT_NE(message.find("topic t partition 0: the stored block at offset 1"), std::string::npos) << message;
  EXPECT_EQ(log->read({"t", 0}, 2, 1 << 20)->rows.at(0).value_view(), "third");
}

TEST(EmbeddedLog, RetentionByTimeFollowsTheClockAndTheRecordsTimes) {
  const TemporaryDirectory directory;
  HeldClock clock;
  clock.move_to(1'000'000);
  const auto log = embedded_log(directory.path(), {.maintenance_interval = 1ms}, clock);
  log->create_topic("t", {.retention_ms = 1000});
  write(*log, "t", "late", 999'500);
  write(*log, "t", "later", 999'900);
  write(*log, "t", "newest", 1);
  clock.move_to(1'000'600);
  write(*log, "t", "one more", 1);
  const auto deadline = std::chrono::steady_clock::now() + 20s;
  while (log->offsets({"t", 0}).first != 1 && std::chrono::steady_clock::now() < deadline)
    std::this_thread::yield();
  EXPECT_EQ(log->offsets({"t", 0}), std::pair(std::int64_t{1}, std::int64_t{4}));
}

TEST(EmbeddedLog, TheWriteAheadLogStaysBoundedWhileReadersRead) {
  const TemporaryDirectory directory;
  const auto log = embedded_log(directory.path(), {.checkpoint_bytes = 1 << 20, .max_wal_bytes = 4 << 20});
  log->create_topic("t", {});
  std::atomic<bool> done = false;
  std::thread reader([&] {
    while (!done) static_cast<void>(log->read({"t", 0}, 0, 1 << 20));
  });
  const auto producer = log->producer();
  const std::string value(100'000, 'x');
  const ProducerRecord record{.key = "k", .value = value, .headers = {}, .timestamp_ms = 0};
  std::uintmax_t largest = 0;
  for (int i = 0; i < 300; ++i) {
    producer->send("t", {&record, 1});
    producer->flush();
    largest = std::max(largest, std::filesystem::file_size(directory.path() + "/log.db-wal"));
  }
  done = true;
  reader.join();
  EXPECT_LT(largest, 8u << 20) << "of 30 MB written";
}

TEST(EmbeddedLog, ARecordOfTheLargestSizePasses) {
  const TemporaryDirectory directory;
  const auto log = embedded_log(directory.path());
  log->create_topic("t", {});
  const std::string value(64 << 20, 'v');
  write(*log, "t", value);
  EXPECT_TRUE(log->read({"t", 0}, 0, 1)->rows.at(0).value_view() == value);
}

TEST(EmbeddedLog, LockFilesHaveNamesThatEveryFileSystemTakes) {
  EXPECT_EQ(lock_file_name("crash-detector_1"), "crash-detector_1.lock");
  EXPECT_EQ(lock_file_name("../a b"), "%2E%2E%2Fa%20b.lock");
  const std::string long_name(1000, 'a');
  EXPECT_LE(lock_file_name(long_name).size(), 255u);
  EXPECT_NE(lock_file_name(long_name), lock_file_name(long_name + "b"));
}

}  // namespace
}  // namespace tiderace
