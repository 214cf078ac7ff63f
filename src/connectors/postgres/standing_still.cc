#include "connectors/postgres/standing_still.h"

#include <fmt/format.h>

#include <map>

#include "base/logging.h"

namespace tiderace::postgres {
namespace {

// For how long a member moves nothing that is ended.
constexpr const char* watch = "SELECT pg_catalog.pg_sleep(5)";

/// The server's processes of members, of any group, that have a lock here and are waited for by the server,
/// each with what changes as soon as it moves: another statement, more bytes of a COPY.
std::map<std::string, std::string> standing_still(Connection& connection, const std::string& table,
                                                  const std::string& offsets_table) {
  // Its server waits for it in the middle of a transaction that has a lock here. One whose server works, be
  // it on a large table, is left alone. A server before 14 does not tell how far a COPY is.
  const bool tells = connection.query("SELECT pg_catalog.to_regclass('pg_catalog.pg_stat_progress_copy')")
                         .at(0, 0)
                         .has_value();
  const std::string progress =
      tells ? "(SELECT p.bytes_processed FROM pg_catalog.pg_stat_progress_copy p WHERE p.pid = a.pid)"
            : "NULL::bigint";
  const Rows found = connection.query(
      fmt::format(
          "SELECT a.pid, pg_catalog.concat_ws(' ', a.backend_start, a.state_change, {}) FROM "
          "pg_catalog.pg_stat_activity a WHERE a.usename = current_user AND a.datname = "
          "pg_catalog.current_database() AND a.application_name LIKE 'tiderace %' AND a.pid <> "
          "pg_catalog.pg_backend_pid() AND a.wait_event = 'ClientRead' AND a.xact_start IS NOT NULL AND "
          "(a.state <> 'active' OR {} IS NOT NULL) AND EXISTS (SELECT FROM pg_catalog.pg_locks l WHERE l.pid "
          "= a.pid AND l.granted AND (l.relation IN (pg_catalog.to_regclass($1), pg_catalog.to_regclass($2)) "
          "OR (l.locktype = 'advisory' AND l.classid = pg_catalog.hashtext('tiderace')::oid)))",
          progress, progress),
      {table_identifier(table), table_identifier(offsets_table)});
  std::map<std::string, std::string> members;
  for (std::size_t i = 0; i < found.size(); ++i) members.emplace(*found.at(i, 0), *found.at(i, 1));
  return members;
}

}  // namespace

void end_standing_still(Connection& connection, const std::string& table, const std::string& offsets_table,
                        std::string_view shown) {
  const auto before = standing_still(connection, table, offsets_table);
  if (before.empty()) return;
  connection.query(watch, {}, true);
  for (const auto& [pid, state] : standing_still(connection, table, offsets_table)) {
    const auto found = before.find(pid);
    if (found == before.end() || found->second != state) continue;  // slow, but it moves
    connection.query("SELECT pg_catalog.pg_terminate_backend($1::integer)", {pid});
    log(LogLevel::warning, "{}: ended the connection {} of a member that stands still", shown, pid);
  }
}

}  // namespace tiderace::postgres
