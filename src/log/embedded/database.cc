#include "log/embedded/database.h"

#include <fmt/format.h>
#include <sqlite3.h>

#include <algorithm>
#include <thread>

#include "base/error.h"

namespace tiderace {
namespace {

/// A reader that stays in its transaction must not hold a producer up for longer.
constexpr std::chrono::nanoseconds longest_checkpoint_wait = std::chrono::seconds(1);

}  // namespace

// ---- Statement ----

Statement::~Statement() {
  sqlite3_finalize(statement_);
}

void Statement::check(int code) const {
  if (code != SQLITE_OK) database_->fail(code, sqlite3_sql(statement_));
}

Statement& Statement::bind(int i, std::int64_t value) {
  check(sqlite3_bind_int64(statement_, i + 1, value));
  return *this;
}

Statement& Statement::bind(int i, std::string_view text) {
  check(sqlite3_bind_text64(statement_, i + 1, text.data(), text.size(), SQLITE_STATIC, SQLITE_UTF8));
  return *this;
}

Statement& Statement::bind_bytes(int i, std::string_view bytes) {
  check(sqlite3_bind_blob64(statement_, i + 1, bytes.data(), bytes.size(), SQLITE_STATIC));
  return *this;
}

bool Statement::step() {
  const int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  sqlite3_reset(statement_);
  if (code != SQLITE_DONE) database_->fail(code, sqlite3_sql(statement_));
  return false;
}

void Statement::run() {
  while (step()) {
  }
}

void Statement::reset() noexcept {
  sqlite3_reset(statement_);
}

std::int64_t Statement::integer(int column) const noexcept {
  return sqlite3_column_int64(statement_, column);
}

std::string_view Statement::text(int column) const {
  const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(statement_, column));
  return {text == nullptr ? "" : text, static_cast<std::size_t>(sqlite3_column_bytes(statement_, column))};
}

std::string_view Statement::bytes(int column) const {
  const auto* bytes = static_cast<const char*>(sqlite3_column_blob(statement_, column));
  const auto size = static_cast<std::size_t>(sqlite3_column_bytes(statement_, column));
  // A blob that cannot be read comes as null, and the reason as the connection's last error.
  if (bytes == nullptr && size == 0) {
    const int code = sqlite3_errcode(sqlite3_db_handle(statement_));
    if (code != SQLITE_OK && code != SQLITE_ROW && code != SQLITE_DONE)
      database_->fail(code, sqlite3_sql(statement_));
  }
  return {bytes, size};
}

// ---- Database ----

Database::Database(DatabaseOptions options) : options_(std::move(options)), patience_(options_.busy_timeout) {
  constexpr int flags =
      SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  const char* vfs = options_.vfs.empty() ? nullptr : options_.vfs.c_str();
  const int code = sqlite3_open_v2(options_.path.c_str(), &connection_, flags, vfs);
  try {
    if (code != SQLITE_OK) fail(code, "open the file");
    sqlite3_busy_handler(connection_, wait_for_lock, this);
    sqlite3_wal_hook(connection_, note_commit, this);
    // Deleted blocks need not be overwritten with zeros, which Debian's build of SQLite does unless told not
    // to.
    execute(fmt::format("PRAGMA secure_delete=OFF; PRAGMA cache_size=-{}; PRAGMA synchronous={}",
                        options_.cache_bytes / 1024, options_.sync_every_commit ? "FULL" : "NORMAL")
                .c_str());
  } catch (...) {
    sqlite3_close_v2(connection_);
    throw;
  }
}

Database::~Database() {
  sqlite3_close_v2(connection_);
}

int Database::wait_for_lock(void* self, int attempt) noexcept {
  auto* database = static_cast<Database*>(self);
  if (attempt == 0) database->waited_ = {};
  if (database->waited_ >= database->patience_) return 0;
  // Locks are held for well under a millisecond as a rule; SQLite's own handler would sleep up to 100 ms.
  const std::chrono::nanoseconds nap = std::chrono::microseconds(std::min(50 + 50 * attempt, 1000));
  std::this_thread::sleep_for(nap);
  database->waited_ += nap;
  return 1;
}

int Database::note_commit(void* self, sqlite3*, const char*, int pages) noexcept {
  static_cast<Database*>(self)->wal_pages_ = pages;
  return SQLITE_OK;
}

void Database::execute(const char* sql) {
  const int code = sqlite3_exec(connection_, sql, nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) fail(code, sql);
}

Statement Database::prepare(std::string_view sql) {
  Statement statement;
  statement.database_ = this;
  const int code = sqlite3_prepare_v3(connection_, sql.data(), static_cast<int>(sql.size()),
                                      SQLITE_PREPARE_PERSISTENT, &statement.statement_, nullptr);
  if (code != SQLITE_OK) fail(code, sql);
  return statement;
}

std::int64_t Database::query_integer(std::string_view sql) {
  Statement statement = prepare(sql);
  return statement.step() ? statement.integer(0) : 0;
}

std::string Database::query_text(std::string_view sql) {
  Statement statement = prepare(sql);
  return statement.step() ? std::string(statement.text(0)) : std::string();
}

std::int64_t Database::changes() const noexcept {
  return sqlite3_changes64(connection_);
}

bool Database::in_transaction() const noexcept {
  return sqlite3_get_autocommit(connection_) == 0;
}

bool Database::checkpoint(bool wait) {
  const int mode = wait ? SQLITE_CHECKPOINT_RESTART : SQLITE_CHECKPOINT_PASSIVE;
  const auto patience = std::exchange(patience_, std::min(patience_, longest_checkpoint_wait));
  int pages = 0;
  int copied = 0;
  int code = SQLITE_OK;
  // SQLite waits for readers by itself, but not for somebody else's checkpoint.
  for (int attempt = 0;; ++attempt) {
    code = sqlite3_wal_checkpoint_v2(connection_, "main", mode, &pages, &copied);
    if (!wait || (code & 0xff) != SQLITE_BUSY || wait_for_lock(this, attempt) == 0) break;
  }
  patience_ = patience;
  if (code != SQLITE_OK && (code & 0xff) != SQLITE_BUSY) fail(code, "copy the write-ahead log into the file");
  return code == SQLITE_OK && pages == copied;
}

void throw_moved(const std::string& path) {
  throw_error(
      ErrorKind::state,
      "embedded log {}: the file was deleted, moved or replaced while it was open. Nothing of this call was "
      "written; stop all that use this log, put its directory back, or leave it away for a new log, "
      "and start them again",
      path);
}

void Database::check_in_place() const {
  int moved = 0;
  if (sqlite3_file_control(connection_, "main", SQLITE_FCNTL_HAS_MOVED, &moved) == SQLITE_OK && moved != 0)
    throw_moved(options_.path);
}

void Database::fail(int code, std::string_view doing) const {
  const std::string what =
      fmt::format("embedded log {}: {} ({}, code {}) in `{}`", options_.path,
                  connection_ == nullptr ? sqlite3_errstr(code) : sqlite3_errmsg(connection_),
                  sqlite3_errstr(code), code, doing);
  switch (code & 0xff) {
    case SQLITE_NOTADB:
      throw Error(ErrorKind::config, what + "; the file is none of Tiderace's, choose another directory");
    case SQLITE_CORRUPT:
      throw Error(ErrorKind::state, what + "; the file is damaged, restore the log's directory from a copy");
    case SQLITE_FULL:
      throw Error(ErrorKind::broker,
                  what + "; the disk is full, free some space. Nothing of this call was written");
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      throw Error(ErrorKind::broker, fmt::format("{}; another process has held the log for more than {} ms",
                                                 what, options_.busy_timeout.count()));
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
    case SQLITE_AUTH:
      throw Error(ErrorKind::broker,
                  what + "; the directory and the files in it must be writable by this user");
    case SQLITE_IOERR:
      throw Error(ErrorKind::broker,
                  what + "; the disk refused, see the kernel's log. Nothing of this call was written");
    default:
      throw Error(ErrorKind::broker, what);
  }
}

// ---- Transaction ----

Transaction::Transaction(Database& database, Kind kind) : database_(database) {
  if (kind == Kind::read) database_.check_in_place();
  database_.execute(kind == Kind::write ? "BEGIN IMMEDIATE" : "BEGIN");
}

Transaction::~Transaction() {
  if (!database_.in_transaction()) return;
  try {
    database_.execute("ROLLBACK");
  } catch (const Error&) {
    // SQLite has rolled back by itself, or does at the latest when the connection is closed.
  }
}

void Transaction::commit() {
  database_.check_in_place();
  database_.execute("COMMIT");
}

}  // namespace tiderace
