#include "log/embedded/schema.h"

#include <fmt/format.h>

#include "base/error.h"

namespace tiderace {
namespace {

constexpr std::int64_t application_id = 0x54524c47;  // TRLG
constexpr std::int64_t schema_version = 1;

constexpr const char* tables = R"sql(
CREATE TABLE topics(
  name TEXT PRIMARY KEY,
  first_partition_id INTEGER NOT NULL,
  num_partitions INTEGER NOT NULL,
  replication_factor INTEGER NOT NULL,
  compacted INTEGER NOT NULL,
  retention_ms INTEGER NOT NULL,
  retention_bytes INTEGER NOT NULL,
  max_message_bytes INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE partitions(
  id INTEGER PRIMARY KEY,
  end_offset INTEGER NOT NULL,
  bytes INTEGER NOT NULL,
  cleaned_to INTEGER NOT NULL,
  cleaned_bytes INTEGER NOT NULL);
CREATE TABLE blocks(
  id INTEGER PRIMARY KEY,
  base_offset INTEGER NOT NULL,
  max_timestamp_ms INTEGER NOT NULL,
  written_ms INTEGER NOT NULL,
  size INTEGER NOT NULL,
  block BLOB NOT NULL);
CREATE TABLE group_offsets(
  name TEXT NOT NULL,
  partition_id INTEGER NOT NULL,
  next_offset INTEGER NOT NULL,
  PRIMARY KEY(name, partition_id)) WITHOUT ROWID;
)sql";

void create_tables(Database& database) {
  Transaction transaction(database, Transaction::Kind::write);
  database.execute(tables);
  database.execute(
      fmt::format("PRAGMA application_id={}; PRAGMA user_version={}", application_id, schema_version)
          .c_str());
  transaction.commit();
}

}  // namespace

void prepare_schema(Database& database) {
  // Large pages make few look-ups of a block; larger ones than this make a commit of some records write more.
  database.execute("PRAGMA page_size=16384");
  const std::int64_t found_id = database.query_integer("PRAGMA application_id");
  const std::int64_t found_version = database.query_integer("PRAGMA user_version");
  const std::int64_t found_tables = database.query_integer("SELECT count(*) FROM sqlite_schema");
  if (found_id == 0 && found_version == 0 && found_tables == 0) {
    if (const std::string mode = database.query_text("PRAGMA journal_mode=WAL"); mode != "wal") {
      throw_error(
          ErrorKind::broker,
          "embedded log {}: wanted SQLite's write-ahead log, found journal mode {}; the file system of the "
          "directory must support shared memory (a network file system does not)",
          database.path(), mode);
    }
    create_tables(database);
    return;
  }
  if (found_id != application_id) {
    throw_error(
        ErrorKind::config,
        "embedded log {}: the file is a SQLite database, but none of Tiderace's (application id {}, wanted "
        "{}); choose another directory",
        database.path(), found_id, application_id);
  }
  if (found_version != schema_version) {
    throw_error(ErrorKind::config, "embedded log {}: wanted schema version {}, found {}; {}", database.path(),
                schema_version, found_version,
                found_version > schema_version ? "a newer Tiderace wrote it, use that one"
                                               : "it was written by a version that was never released");
  }
}

}  // namespace tiderace
