#include "state/store.h"

#include <rocksdb/cache.h>
#include <rocksdb/db.h>
#include <rocksdb/env.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/options.h>
#include <rocksdb/table.h>
#include <rocksdb/write_batch.h>

#include <cstdarg>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <system_error>

#include "base/error.h"
#include "base/logging.h"
#include "columnar/records.h"
#include "state/store_path.h"

namespace tiderace {
namespace {

// Keys in the database: 'd' + a key of the store; 'm' + a name of our own.
constexpr char data_key = 'd';
constexpr std::string_view version_key = "mversion";
constexpr std::string_view position_key = "mposition";
// The position: version 1 byte (2), then zigzag varints: changelog offset, input offset, as of
// (milliseconds). Version 1 has no last one.
constexpr std::string_view format_version = "2";
constexpr std::string_view former_version = "1";  // without a time

constexpr std::int64_t longest_unflushed_ms = 3'600'000;
constexpr std::size_t write_buffer_bytes = 4u << 20;
constexpr std::size_t block_cache_bytes = 8u << 20;

rocksdb::Slice slice(std::string_view bytes) {
  return {bytes.data(), bytes.size()};
}
std::string_view view(const rocksdb::Slice& bytes) {
  return {bytes.data(), bytes.size()};
}

// The one place where what RocksDB says becomes ours.
void check(const rocksdb::Status& status, const std::string& directory, std::string_view doing) {
  if (status.ok()) return;
  const std::string text = status.ToString();
  // Of a process and of this one; "block checksum mismatch" has a lock in it, too.
  if (text.find("While lock file") != std::string::npos || text.find("lock hold") != std::string::npos) {
    throw StoreBusy(Error(
        ErrorKind::state,
        fmt::format(
            "cannot {} the state in {}: it is in use by another process or another application of this one "
            "({}); stop that one, or give this one a state_dir of its own",
            doing, directory, text)));
  }
  if (status.IsNoSpace()) {
    throw_error(ErrorKind::state,
                "cannot {} the state in {}: the disk is full ({}); make room and start again", doing,
                directory, text);
  }
  throw_error(ErrorKind::state,
              "cannot {} the state in {}: {}; if the directory is damaged, remove it: the state is then "
              "restored from "
              "its changelog",
              doing, directory, text);
}

/// RocksDB's own lines go to ours. A file of its own would be one more to write to on a full disk, and
/// RocksDB with its assertions on (as Debian builds it) aborts the process where it writes to one again that
/// failed.
class LogLines final : public rocksdb::Logger {
 public:
  LogLines() : rocksdb::Logger(rocksdb::WARN_LEVEL) {}
  using rocksdb::Logger::Logv;
  void Logv(const char* format, va_list arguments) override {
    char text[1024];
    std::vsnprintf(text, sizeof text, format, arguments);
    log(LogLevel::debug, "RocksDB: {}", text);
  }
};

rocksdb::Options database_options(const std::shared_ptr<rocksdb::Cache>& cache) {
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = cache;
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10, false));
  table.format_version = 5;
  table.block_size = 8 << 10;

  rocksdb::Options options;
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  options.create_if_missing = true;
  options.write_buffer_size = write_buffer_bytes;
  options.allow_concurrent_memtable_write =
      false;  // one thread writes, in the order of the keys, which is half the work
  options.arena_block_size = 256 << 10;
  options.max_write_buffer_number = 3;
  options.target_file_size_base = 16u << 20;
  options.level_compaction_dynamic_level_bytes = true;
  options.compression = rocksdb::kLZ4Compression;
  options.max_open_files = 256;
  options.max_background_jobs = 2;
  options.info_log = std::make_shared<LogLines>();
  options.stats_dump_period_sec = 0;
  options.stats_persist_period_sec = 0;
  options.skip_stats_update_on_db_open = true;
  options.max_file_opening_threads = 1;
  options.allow_mmap_reads = false;
  return options;
}

/// Writes without a write-ahead log: every batch carries the position that it brings the store to, and
/// memtables are flushed whole and in order, so what survives a kill is an older state with its own position;
/// the changelog brings it up from there.
class RocksdbStore final : public StateStore {
 public:
  RocksdbStore(std::string directory, const std::shared_ptr<rocksdb::Cache>& cache)
      : directory_(std::move(directory)) {
    rocksdb::DB* database = nullptr;
    check(rocksdb::DB::Open(database_options(cache), directory_, &database), directory_, "open");
    database_.reset(database);
    write_.disableWAL = true;
    check_version();
    read_position();
    flushed_as_of_ms_ = position_.as_of_ms;
  }

  ~RocksdbStore() override {
    const rocksdb::Status flushed = database_->Flush(rocksdb::FlushOptions());
    if (!flushed.ok()) {
      log(LogLevel::warning,
          "state in {} could not be flushed on close ({}); the changelog brings it up at the next start",
          directory_, flushed.ToString());
    }
  }

  std::optional<std::string> get(std::string_view key) override {
    rocksdb::PinnableSlice value;
    const rocksdb::Status status = database_->Get(rocksdb::ReadOptions(), database_->DefaultColumnFamily(),
                                                  slice(stored_key(key)), &value);
    if (status.IsNotFound()) return std::nullopt;
    check(status, directory_, "read");
    return std::string(view(value));
  }

  void scan(std::string_view prefix,
            const std::function<bool(std::string_view, std::string_view)>& visit) override {
    const std::string from(stored_key(prefix));
    const std::unique_ptr<rocksdb::Iterator> at(database_->NewIterator(rocksdb::ReadOptions()));
    for (at->Seek(from); at->Valid() && view(at->key()).starts_with(from); at->Next()) {
      if (!visit(view(at->key()).substr(1), view(at->value()))) return;
    }
    check(at->status(), directory_, "read");
  }

  void write(std::span<const ChangeView> changes, const StorePosition& position) override {
    rocksdb::WriteBatch batch;
    for (const ChangeView& change : changes) {
      if (change.value) {
        check(batch.Put(slice(stored_key(change.key)), slice(*change.value)), directory_, "write");
      } else {
        check(batch.Delete(slice(stored_key(change.key))), directory_, "write");
      }
    }
    std::string encoded(1, '\2');
    append_varint(encoded, zigzag(position.changelog_offset));
    append_varint(encoded, zigzag(position.input_offset));
    append_varint(encoded, zigzag(position.as_of_ms));
    check(batch.Put(slice(position_key), encoded), directory_, "write");
    check(database_->Write(write_, &batch), directory_, "write");
    position_ = position;
    if (flushed_as_of_ms_ == 0) flushed_as_of_ms_ = position.as_of_ms;
    if (position.as_of_ms - flushed_as_of_ms_ > longest_unflushed_ms) flush_beside();
  }

  StorePosition position() override { return position_; }

  void clear() override {
    rocksdb::WriteBatch batch;
    const std::string after(1, data_key + 1);
    check(batch.DeleteRange(stored_key(""), after), directory_, "clear");
    check(batch.Delete(slice(position_key)), directory_, "clear");
    check(database_->Write(write_, &batch), directory_, "clear");
    position_ = {};
  }

  std::uint64_t size_bytes() override {
    std::uint64_t files = 0;
    std::uint64_t memory = 0;
    database_->GetIntProperty(rocksdb::DB::Properties::kTotalSstFilesSize, &files);
    database_->GetIntProperty(rocksdb::DB::Properties::kCurSizeAllMemTables, &memory);
    return files + memory;
  }

 private:
  /// A store that changes little would be found by its next owner as it was long ago.
  void flush_beside() {
    rocksdb::FlushOptions options;
    options.wait = false;
    options.allow_write_stall = true;
    const rocksdb::Status status = database_->Flush(options);
    if (!status.ok()) log(LogLevel::debug, "state in {} is not flushed: {}", directory_, status.ToString());
    flushed_as_of_ms_ = position_.as_of_ms;
  }

  /// Valid until the next call.
  std::string_view stored_key(std::string_view key) {
    scratch_.assign(1, data_key);
    scratch_.append(key);
    return scratch_;
  }

  void check_version() {
    std::string found;
    const rocksdb::Status status = database_->Get(rocksdb::ReadOptions(), slice(version_key), &found);
    if (!status.IsNotFound()) check(status, directory_, "read");
    if (status.IsNotFound() || found == former_version) {
      check(database_->Put(write_, slice(version_key), slice(format_version)), directory_, "write");
      return;
    }
    if (found == format_version) return;
    throw_error(ErrorKind::state,
                "the state in {} has format version {}, wanted {}: it was written by another version of "
                "tiderace; use "
                "that one, or remove the directory, and the state is restored from its changelog",
                directory_, found, format_version);
  }

  void read_position() {
    std::string encoded;
    const rocksdb::Status status = database_->Get(rocksdb::ReadOptions(), slice(position_key), &encoded);
    if (status.IsNotFound()) return;
    check(status, directory_, "read");
    std::string_view in = encoded;
    if (in.starts_with('\1') || in.starts_with('\2')) {
      const bool has_time = in.front() == '\2';
      in.remove_prefix(1);
      const auto changelog_offset = take_varint(in);
      const auto input_offset = take_varint(in);
      const auto as_of_ms = has_time ? take_varint(in) : std::optional<std::uint64_t>(0);
      if (changelog_offset && input_offset && as_of_ms && in.empty()) {
        position_ = {unzigzag(*changelog_offset), unzigzag(*input_offset), unzigzag(*as_of_ms)};
        return;
      }
    }
    check(rocksdb::Status::Corruption("its position is not readable"), directory_, "open");
  }

  std::string directory_;
  std::unique_ptr<rocksdb::DB> database_;
  rocksdb::WriteOptions write_;
  StorePosition position_;
  std::int64_t flushed_as_of_ms_ = 0;
  std::string scratch_;
};

class RocksdbStores final : public StateStores {
 public:
  explicit RocksdbStores(std::string directory)
      : directory_(std::move(directory)), cache_(rocksdb::NewLRUCache(block_cache_bytes)) {}

  std::unique_ptr<StateStore> open(const std::string& name) override {
    const std::string path = directory_ + "/" + store_path(name);
    std::error_code error;
    std::filesystem::create_directories(path, error);
    if (error) {
      throw_error(
          ErrorKind::state,
          "cannot make the directory {} for state: {}; give another state_dir, or the right to write there",
          path, error.message());
    }
    return std::make_unique<RocksdbStore>(path, cache_);
  }

 private:
  std::string directory_;
  std::shared_ptr<rocksdb::Cache> cache_;
};

}  // namespace

std::unique_ptr<StateStores> rocksdb_state_stores(const std::string& directory) {
  return std::make_unique<RocksdbStores>(directory);
}

}  // namespace tiderace
