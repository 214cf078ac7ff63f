#include "state/store.h"

#include <gtest/gtest.h>
#include <rocksdb/db.h>
#include <tiderace/error.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <thread>

#include "state/scanned.h"
#include "state/store_path.h"
#include "temporary_directory.h"

namespace tiderace {
namespace {

class Stores : public testing::TestWithParam<const char*> {
 protected:
  std::unique_ptr<StateStores> make() {
    return GetParam() == std::string("memory") ? memory_state_stores()
                                               : rocksdb_state_stores(directory_.path());
  }
  TemporaryDirectory directory_;
};
INSTANTIATE_TEST_SUITE_P(, Stores, testing::Values("memory", "rocksdb"),
                         [](const auto& info) { return std::string(info.param); });

TEST_P(Stores, KeepWhatIsApplied) {
  const auto stores = make();
  {
    const auto store = stores->open("g/t/0");
    EXPECT_EQ(store->position().changelog_offset, 0);
    EXPECT_EQ(store->position().input_offset, -1);
    EXPECT_EQ(store->get("a"), std::nullopt);
    store->apply(
        std::vector<Change>{{"a", "1"}, {std::string("b\0c", 3), std::string("\0", 1)}, {"", "empty"}},
        {7, 42});
    store->apply(std::vector<Change>{{"a", "2"}, {"a", std::nullopt}, {"a", "3"}, {"gone", std::nullopt}},
                 {8, 43});
  }
  const auto store = stores->open("g/t/0");
  EXPECT_EQ(store->get("a"), "3");
  EXPECT_EQ(store->get(std::string("b\0c", 3)), std::string("\0", 1));
  EXPECT_EQ(store->get(""), "empty");
  EXPECT_EQ(store->position().changelog_offset, 8);
  EXPECT_EQ(store->position().input_offset, 43);
  EXPECT_EQ(stores->open("g/t/1")->get("a"), std::nullopt);
}

TEST_P(Stores, ScanAPrefixInTheOrderOfBytes) {
  const auto store = make()->open("s");
  store->apply(std::vector<Change>{{"a\xff", "3"}, {"a", "1"}, {"b", "4"}, {"aa", "2"}, {"A", "0"}}, {});
  EXPECT_EQ(scanned(*store, "a"), (Pairs{{"a", "1"}, {"aa", "2"}, {"a\xff", "3"}}));
  EXPECT_EQ(scanned(*store, "a", 2), (Pairs{{"a", "1"}, {"aa", "2"}}));
  EXPECT_EQ(scanned(*store, "").size(), 5u);
  EXPECT_EQ(scanned(*store, "c").size(), 0u);
}

TEST_P(Stores, ForgetWhatTheyHaveWhenTheyAreCleared) {
  const auto stores = make();
  {
    const auto store = stores->open("s");
    store->apply(std::vector<Change>{{"", "0"}, {"a", "1"}, {"\xff", "2"}}, {7, 42, 1'000});
    EXPECT_EQ(store->position().as_of_ms, 1'000);
    store->clear();
    EXPECT_EQ(scanned(*store, "").size(), 0u);
    store->apply(std::vector<Change>{{"b", "3"}}, {8, 43, 2'000});
  }
  {
    const auto store = stores->open("s");
    EXPECT_EQ(scanned(*store, ""), (Pairs{{"b", "3"}}));
    EXPECT_EQ(store->position().as_of_ms, 2'000);
    store->clear();
  }
  const auto store = stores->open("s");
  EXPECT_EQ(scanned(*store, "").size(), 0u);
  EXPECT_EQ(store->position().changelog_offset, 0);
  EXPECT_EQ(store->position().input_offset, -1);
}

std::string message_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::state);
    return error.what();
  }
  return "nothing was thrown";
}

TEST(RocksdbStore, SaysWhoseLockItIs) {
  const TemporaryDirectory directory;
  const auto first = rocksdb_state_stores(directory.path())->open("g/0");
  const std::string message = message_of([&] { rocksdb_state_stores(directory.path())->open("g/0"); });
  EXPECT_NE(message.find(directory.path() + "/g/0"), std::string::npos) << message;
  EXPECT_NE(message.find("in use by another process"), std::string::npos) << message;
}

TEST(RocksdbStore, SaysWhatToDoWithADamagedDirectory) {
  const TemporaryDirectory directory;
  rocksdb_state_stores(directory.path())->open("g/0")->apply(std::vector<Change>{{"a", "1"}}, {1, 1});
  std::ofstream(directory.path() + "/g/0/CURRENT") << "rubbish\n";
  const std::string message = message_of([&] { rocksdb_state_stores(directory.path())->open("g/0"); });
  EXPECT_NE(message.find("remove it: the state is then restored from its changelog"), std::string::npos)
      << message;
}

TEST(RocksdbStore, DoesNotTakeADamagedBlockForALock) {
  const TemporaryDirectory directory;
  rocksdb_state_stores(directory.path())->open("g/0")->apply(std::vector<Change>{{"a", "1"}}, {1, 1});
  std::size_t damaged = 0;
  for (const auto& file : std::filesystem::directory_iterator(directory.path() + "/g/0")) {
    if (file.path().extension() != ".sst") continue;
    std::fstream(file.path(), std::ios::in | std::ios::out) << "twenty bytes of junk";
    ++damaged;
  }
  EXPECT_GT(damaged, 0u);
  const std::string message =
      message_of([&] { scanned(*rocksdb_state_stores(directory.path())->open("g/0"), ""); });
  EXPECT_NE(message.find("checksum mismatch"), std::string::npos) << message;
  EXPECT_NE(message.find("remove it: the state is then restored from its changelog"), std::string::npos)
      << message;
}

/// Without a log of its own, what is not flushed is lost with the process.
TEST(RocksdbStore, IsOnDiskAfterAnHourHoweverLittleChanges) {
  const TemporaryDirectory directory;
  const auto files = [&] {
    std::size_t tables = 0;
    for (const auto& file : std::filesystem::directory_iterator(directory.path() + "/g"))
      tables += file.path().extension() == ".sst" ? 1 : 0;
    return tables;
  };
  const auto store = rocksdb_state_stores(directory.path())->open("g");
  const std::int64_t begin_ms = 1'700'000'000'000;
  store->apply(std::vector<Change>{{"a", "1"}}, {1, 1, begin_ms});
  store->apply(std::vector<Change>{{"a", "2"}}, {2, 2, begin_ms + 3'600'000});
  EXPECT_EQ(files(), 0u);
  store->apply(std::vector<Change>{{"a", "3"}}, {3, 3, begin_ms + 3'600'001});
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (files() == 0 && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
  EXPECT_EQ(files(), 1u);
}

/// Puts a record of RocksDB's own into the store in `directory`.
void put_raw(const std::string& directory, const char* key, const char* value) {
  rocksdb::DB* opened = nullptr;
  ASSERT_TRUE(rocksdb::DB::Open({}, directory, &opened).ok());
  const std::unique_ptr<rocksdb::DB> database(opened);
  ASSERT_TRUE(database->Put({}, key, value).ok());
}

TEST(RocksdbStore, ReadsAPositionWithoutATime) {
  const TemporaryDirectory directory;
  rocksdb_state_stores(directory.path())->open("g");
  put_raw(directory.path() + "/g", "mversion", "1");
  put_raw(directory.path() + "/g", "mposition", "\1\x0e\x54");
  const StorePosition position = rocksdb_state_stores(directory.path())->open("g")->position();
  EXPECT_EQ(position.changelog_offset, 7);
  EXPECT_EQ(position.input_offset, 42);
  EXPECT_EQ(position.as_of_ms, 0);
}

TEST(RocksdbStore, RefusesAnotherVersionOfTheFormat) {
  const TemporaryDirectory directory;
  rocksdb_state_stores(directory.path())->open("g");
  put_raw(directory.path() + "/g", "mversion", "3");
  const std::string message = message_of([&] { rocksdb_state_stores(directory.path())->open("g"); });
  EXPECT_NE(message.find("has format version 3, wanted 2"), std::string::npos) << message;
}

TEST(RocksdbStore, SaysWhereNoDirectoryCanBeMade) {
  const TemporaryDirectory directory;
  std::ofstream(directory.path() + "/file") << "x";
  const std::string message =
      message_of([&] { rocksdb_state_stores(directory.path() + "/file")->open("g/0"); });
  EXPECT_NE(message.find("state_dir"), std::string::npos) << message;
}

TEST(StorePath, NeverLeadsOutOfItsDirectory) {
  EXPECT_EQ(store_path("crash-detector/phone-data/0"), "crash-detector/phone-data/0");
  EXPECT_EQ(store_path("../.hidden/a.b"), "%2E./%2Ehidden/a.b");
  EXPECT_EQ(store_path("a b%\xc3\xa9"), "a%20b%25%C3%A9");
  EXPECT_EQ(store_path("a//"), "a/%/%");
  const std::string a(300, 'a');
  EXPECT_LE(store_path(a).size(), 255u);
  EXPECT_NE(store_path(a), store_path(a + "a"));
}

}  // namespace
}  // namespace tiderace
