#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

struct sqlite3;
struct sqlite3_stmt;

namespace tiderace {

/// How a connection to a SQLite file is set up.
struct DatabaseOptions {
  std::string path;
  std::string vfs;                                 ///< empty: SQLite's own
  std::chrono::milliseconds busy_timeout{10'000};  ///< how long a call waits for another connection's lock
  bool sync_every_commit = false;
  std::int64_t cache_bytes = 4 << 20;
};

/// A compiled statement, kept and run again and again. Parameters and columns count from 0. One thread.
class Statement {
 public:
  Statement() = default;
  Statement(Statement&& other) noexcept
      : statement_(std::exchange(other.statement_, nullptr)), database_(other.database_) {}
  Statement& operator=(Statement&& other) noexcept {
    std::swap(statement_, other.statement_);
    std::swap(database_, other.database_);
    return *this;
  }
  ~Statement();

  Statement& bind(int i, std::int64_t value);
  /// `text` and `bytes` must live until `reset`.
  Statement& bind(int i, std::string_view text);
  Statement& bind_bytes(int i, std::string_view bytes);
  /// Goes to the next row; false at the end (then the statement is reset).
  bool step();
  /// Runs it to its end, for statements that give no rows.
  void run();
  /// Ends the run, and with it, outside of a transaction, the read of the database.
  void reset() noexcept;

  [[nodiscard]] std::int64_t integer(int column) const noexcept;
  /// Valid until the next call.
  [[nodiscard]] std::string_view text(int column) const;
  [[nodiscard]] std::string_view bytes(int column) const;

 private:
  friend class Database;
  void check(int code) const;

  sqlite3_stmt* statement_ = nullptr;
  class Database* database_ = nullptr;
};

/// Says that the file of a log is no longer the one that was opened under its name.
[[noreturn]] void throw_moved(const std::string& path);

/// One connection to a SQLite file in WAL mode. One thread. Every call may throw the Error that `fail` makes.
class Database {
 public:
  /// Opens the file, made if absent.
  explicit Database(DatabaseOptions options);
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;
  ~Database();

  void execute(const char* sql);
  [[nodiscard]] Statement prepare(std::string_view sql);
  /// The first column of the only row of `sql`.
  [[nodiscard]] std::int64_t query_integer(std::string_view sql);
  [[nodiscard]] std::string query_text(std::string_view sql);
  /// How many rows the last statement changed.
  [[nodiscard]] std::int64_t changes() const noexcept;
  [[nodiscard]] bool in_transaction() const noexcept;
  /// The size of the write-ahead log after the last commit by this connection, in pages.
  [[nodiscard]] int wal_pages() const noexcept { return wal_pages_; }
  /// Copies the write-ahead log into the file. `wait`: for at most a second, until readers are out of the
  /// way, so that it begins anew. Returns whether all of it was copied; somebody else's lock is no error.
  bool checkpoint(bool wait);

  /// Throws Error{state} where the file that is open has no longer its name: what is written goes nowhere.
  void check_in_place() const;

  /// The one place where SQLite's errors become ours: throws Error{state} for a damaged file, Error{config}
  /// for a file that is none of ours, else Error{broker}.
  [[noreturn]] void fail(int code, std::string_view doing) const;
  [[nodiscard]] const std::string& path() const noexcept { return options_.path; }

 private:
  static int wait_for_lock(void* self, int attempt) noexcept;
  static int note_commit(void* self, sqlite3*, const char*, int pages) noexcept;

  DatabaseOptions options_;
  sqlite3* connection_ = nullptr;
  int wal_pages_ = 0;
  std::chrono::nanoseconds patience_;   ///< how long a lock is waited for
  std::chrono::nanoseconds waited_{0};  ///< for the lock that is being waited for
};

/// A transaction: rolled back at the end of its scope unless committed. Throws as `check_in_place` when what
/// it reads is no longer there as it begins, or as it commits.
class [[nodiscard]] Transaction {
 public:
  enum class Kind { read, write };
  Transaction(Database& database, Kind kind);
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  ~Transaction();
  void commit();

 private:
  Database& database_;
};

}  // namespace tiderace
