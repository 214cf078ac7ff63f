#include "connectors/postgres/connection.h"

#include <fmt/format.h>
#include <libpq-fe.h>
#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "base/error.h"
#include "base/logging.h"

namespace tiderace::postgres {
namespace {

constexpr std::chrono::milliseconds look_interval{50};  // how soon a call notices that it is cancelled
constexpr int copy_chunk_bytes = 1 << 16;

/// `text` on one line, without the end of line that libpq's messages have.
std::string one_line(std::string_view text) {
  std::string line;
  for (const char c : text) line += c == '\n' || c == '\t' ? ' ' : c;
  while (line.ends_with(' ')) line.pop_back();
  return line;
}

void note_notice(void*, const char* message) {
  log(LogLevel::debug, "PostgreSQL: {}", one_line(message));
}

/// What a server means by an SQLSTATE; see "PostgreSQL Error Codes" in its manual.
FailureKind kind_of(std::string_view code) {
  constexpr std::string_view away[] = {
      "25006",  // read only: a standby on its way to become the primary
      "40001", "40P01", "55P03", "55006", "57014", "57P01",
      "57P02", "57P03", "57P04", "57P05", "58000", "58030",
      "25P03",  // this member stood still in a transaction
  };
  constexpr std::string_view changed[] = {"42P01", "42703", "42804", "42P07", "42701"};
  const std::string_view group = code.substr(0, 2);
  if (code.empty() || group == "08" || group == "53") return FailureKind::away;
  if (std::find(std::begin(away), std::end(away), code) != std::end(away)) return FailureKind::away;
  if (group == "22" || group == "23") return FailureKind::data;
  if (std::find(std::begin(changed), std::end(changed), code) != std::end(changed))
    return FailureKind::changed;
  return FailureKind::refused;
}

/// The SQLSTATE in `FATAL:  28P01: password authentication failed`, as a refused connection tells it.
std::string code_in(std::string_view message) {
  for (std::size_t at = message.find(": "); at != std::string_view::npos; at = message.find(": ", at + 1)) {
    std::string_view rest = message.substr(at + 1);
    rest.remove_prefix(std::min(rest.find_first_not_of(' '), rest.size()));
    const auto is_code = [](char c) { return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z'); };
    const std::string_view code = rest.substr(0, 5);
    if (rest.size() > 5 && rest[5] == ':' && std::all_of(code.begin(), code.end(), is_code) &&
        code.find_first_of("0123456789") != std::string_view::npos)
      return std::string(rest.substr(0, 5));
  }
  return {};
}

struct FreeOptions {
  void operator()(PQconninfoOption* options) const noexcept { PQconninfoFree(options); }
};
using Options = std::unique_ptr<PQconninfoOption, FreeOptions>;

/// Nothing of the address is told: any part of it may be a part of the password.
[[noreturn]] void refuse_address(const char* why) {
  throw_error(
      ErrorKind::config,
      "PostgreSQL: wanted an address like postgresql://user@host:5432/database, and this one {}; in a "
      "password write %40 for @, %2F for /, %3A for : and %25 for %, or leave it out and set "
      "PGPASSWORD",
      why);
}

Options parse(const std::string& url) {
  char* message = nullptr;
  Options options(PQconninfoParse(url.c_str(), &message));
  PQfreemem(message);
  if (!options) refuse_address("cannot be read");
  return options;
}

/// Whether a password that should have been written with % may stand where a host or a database does.
bool is_split_wrongly(const std::string& url) {
  const std::size_t scheme = url.find("://");
  if (!url.starts_with("postgres") || scheme == std::string::npos) return false;
  std::string_view rest = std::string_view(url).substr(scheme + 3);
  const std::size_t end = rest.find_first_of("@/");
  if (end != std::string_view::npos && rest[end] == '@') rest.remove_prefix(end + 1);
  return rest.substr(0, rest.find('?')).find('@') != std::string_view::npos;
}

bool is_ports(std::string_view text) {
  return text.find_first_not_of("0123456789,") == std::string_view::npos;
}

std::string option(const PQconninfoOption* options, std::string_view name) {
  for (; options->keyword != nullptr; ++options)
    if (options->keyword == name && options->val != nullptr) return options->val;
  return {};
}

}  // namespace

Rows::Rows(pg_result* result) : result_(result) {}
void Rows::Clear::operator()(pg_result* result) const noexcept {
  PQclear(result);
}
std::size_t Rows::size() const noexcept {
  return static_cast<std::size_t>(PQntuples(result_.get()));
}
std::size_t Rows::columns() const noexcept {
  return static_cast<std::size_t>(PQnfields(result_.get()));
}
std::optional<std::string_view> Rows::at(std::size_t row, std::size_t column) const {
  const int r = static_cast<int>(row);
  const int c = static_cast<int>(column);
  if (PQgetisnull(result_.get(), r, c) != 0) return std::nullopt;
  return std::string_view(PQgetvalue(result_.get(), r, c),
                          static_cast<std::size_t>(PQgetlength(result_.get(), r, c)));
}
std::string Rows::column_name(std::size_t column) const {
  return PQfname(result_.get(), static_cast<int>(column));
}
std::uint32_t Rows::column_type(std::size_t column) const {
  return PQftype(result_.get(), static_cast<int>(column));
}
std::uint64_t Rows::affected() const {
  const char* text = PQcmdTuples(result_.get());
  return *text == '\0' ? 0 : std::strtoull(text, nullptr, 10);
}

void Connection::Finish::operator()(pg_conn* connection) const noexcept {
  PQfinish(connection);
}

Connection::Connection(const std::string& url, std::chrono::nanoseconds timeout,
                       std::function<bool()> cancelled)
    : timeout_(timeout), cancelled_(std::move(cancelled)) {
  connect(url);
  // Whatever the user's settings, values are written and read in one way.
  query(
      "SET client_encoding = 'UTF8'; SET datestyle = 'ISO, YMD'; SET timezone = 'UTC'; SET intervalstyle = "
      "'postgres'; SET bytea_output = 'hex'; SET extra_float_digits = 3; SET lock_timeout = '10s'");
}

Connection::~Connection() {
  if (!is_long_ || !cancelled_() || PQtransactionStatus(connection_.get()) != PQTRANS_ACTIVE) return;
  // The server would find out only when it is done.
  PGcancel* cancel = PQgetCancel(connection_.get());
  if (cancel == nullptr) return;
  char error[256];
  if (PQcancel(cancel, error, sizeof error) == 0) log(LogLevel::debug, "PostgreSQL: {}", one_line(error));
  PQfreeCancel(cancel);
}

void Connection::connect(const std::string& url) {
  const std::string wait_ms =
      std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(timeout_).count());
  // A peer that is silent for so long is dead; what the address says goes before.
  const char* keywords[] = {"dbname",
                            "keepalives_idle",
                            "keepalives_interval",
                            "keepalives_count",
                            "tcp_user_timeout",
                            "fallback_application_name",
                            nullptr};
  const char* values[] = {url.c_str(), "30", "10", "3", wait_ms.c_str(), "tiderace", nullptr};
  connection_.reset(PQconnectStartParams(keywords, values, 1));
  if (!connection_) throw Failure(FailureKind::away, "", "out of memory");
  PQsetErrorVerbosity(connection_.get(), PQERRORS_VERBOSE);  // so that a refusal tells its code
  PQsetNoticeProcessor(connection_.get(), note_notice, nullptr);
  const Deadline end = deadline();
  for (PostgresPollingStatusType status = PGRES_POLLING_WRITING; status != PGRES_POLLING_OK;) {
    if (PQstatus(connection_.get()) == CONNECTION_BAD || status == PGRES_POLLING_FAILED) {
      std::string message = one_line(PQerrorMessage(connection_.get()));
      message = message.substr(0, message.find(" LOCATION:"));
      const std::string code = code_in(message);
      const std::string_view group = std::string_view(code).substr(0, 2);
      // The password, the role or the database is not there; others pass, as when a server starts.
      const bool refused = group == "28" || group == "3D";
      throw Failure(refused ? FailureKind::refused : FailureKind::away, code, message);
    }
    wait(status == PGRES_POLLING_READING, status == PGRES_POLLING_WRITING, end);
    status = PQconnectPoll(connection_.get());
  }
  PQsetErrorVerbosity(connection_.get(), PQERRORS_DEFAULT);
  PQsetnonblocking(connection_.get(), 1);
}

Connection::Deadline Connection::deadline() const {
  return std::chrono::steady_clock::now() +
         std::chrono::duration_cast<std::chrono::steady_clock::duration>(timeout_);
}

void Connection::wait(bool readable, bool writable, std::optional<Deadline> end) {
  pollfd descriptor{PQsocket(connection_.get()), 0, 0};
  if (readable) descriptor.events |= POLLIN;
  if (writable) descriptor.events |= POLLOUT;
  for (;;) {
    if (cancelled_()) throw Failure(FailureKind::away, "", "it was not waited for any longer");
    const int found = ::poll(&descriptor, 1, static_cast<int>(look_interval.count()));
    if (found > 0) return;
    if (found < 0 && errno != EINTR) throw Failure(FailureKind::away, "", std::strerror(errno));
    if (end && std::chrono::steady_clock::now() > *end) {
      throw Failure(FailureKind::away, "",
                    fmt::format("no answer within {:g} s", std::chrono::duration<double>(timeout_).count()));
    }
  }
}

void Connection::fail_connection(const char* doing) {
  throw Failure(FailureKind::away, "",
                fmt::format("{}: {}", doing, one_line(PQerrorMessage(connection_.get()))));
}

void Connection::send(const std::string& sql, const Parameters& parameters) {
  std::vector<const char*> values;
  values.reserve(parameters.size());
  for (const auto& parameter : parameters) values.push_back(parameter ? parameter->c_str() : nullptr);
  const int sent = parameters.empty()
                       ? PQsendQuery(connection_.get(), sql.c_str())
                       : PQsendQueryParams(connection_.get(), sql.c_str(), static_cast<int>(values.size()),
                                           nullptr, values.data(), nullptr, nullptr, 0);
  if (sent == 0) fail_connection("send a statement");
  flush();
}

void Connection::flush() {
  for (int left = PQflush(connection_.get()); left != 0; left = PQflush(connection_.get())) {
    if (left < 0) fail_connection("send");
    wait(true, true, deadline());
    // The server may have something to say before it reads on.
    if (PQconsumeInput(connection_.get()) == 0) fail_connection("read");
  }
}

pg_result* Connection::result(bool patient) {
  std::optional<Deadline> end;
  if (!patient) end = deadline();
  while (PQisBusy(connection_.get()) != 0) {
    wait(true, false, end);
    if (PQconsumeInput(connection_.get()) == 0) fail_connection("read an answer");
  }
  return PQgetResult(connection_.get());
}

Rows Connection::last_result(bool patient) {
  std::optional<Rows> last;
  std::optional<Failure> failure;
  while (pg_result* next = result(patient)) {
    const ExecStatusType status = PQresultStatus(next);
    if (status == PGRES_COPY_IN) return Rows(next);
    if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK) {
      last.emplace(next);
      continue;
    }
    const Rows held(next);
    try {
      fail(next);
    } catch (const Failure& found) {
      if (!failure) failure = found;
    }
  }
  if (failure) throw Failure(*failure);
  if (!last) fail_connection("read an answer");
  return std::move(*last);
}

void Connection::fail(const pg_result* result) {
  const char* code = PQresultErrorField(result, PG_DIAG_SQLSTATE);
  const char* message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
  const char* detail = PQresultErrorField(result, PG_DIAG_MESSAGE_DETAIL);
  std::string text = one_line(message == nullptr ? PQresultErrorMessage(result) : message);
  if (detail != nullptr) text += fmt::format(" ({})", one_line(detail));
  const std::string known = code == nullptr ? "" : code;
  throw Failure(kind_of(known), known, text);
}

Rows Connection::query(const std::string& sql, const Parameters& parameters, bool patient) {
  is_long_ = patient;
  send(sql, parameters);
  Rows rows = last_result(patient);
  is_long_ = false;
  return rows;
}

void Connection::copy_in(const std::string& sql, std::string_view data) {
  send(sql, {});
  static_cast<void>(last_result(false));
  while (!data.empty()) {
    const auto size = static_cast<int>(std::min<std::size_t>(data.size(), copy_chunk_bytes));
    const int put = PQputCopyData(connection_.get(), data.data(), size);
    if (put < 0) fail_connection("copy rows");
    if (put > 0) data.remove_prefix(static_cast<std::size_t>(size));
    flush();
  }
  while (true) {
    const int put = PQputCopyEnd(connection_.get(), nullptr);
    if (put < 0) fail_connection("end copying rows");
    if (put > 0) break;
    flush();
  }
  flush();
  static_cast<void>(last_result(false));
}

void Connection::begin_stream(const std::string& sql) {
  is_long_ = true;
  send(sql, {});
  if (PQsetSingleRowMode(connection_.get()) == 0) fail_connection("read rows one by one");
}

std::optional<Rows> Connection::next() {
  pg_result* found = result(true);
  if (found == nullptr) {
    is_long_ = false;
    return std::nullopt;
  }
  Rows rows(found);
  const ExecStatusType status = PQresultStatus(found);
  if (status == PGRES_SINGLE_TUPLE || status == PGRES_TUPLES_OK) return rows;
  if (status == PGRES_COMMAND_OK || status == PGRES_EMPTY_QUERY)
    throw Failure(FailureKind::refused, "",
                  "wanted a query with rows, like SELECT, found a statement without");
  fail(found);
}

std::string identifier(std::string_view name) {
  std::string quoted = "\"";
  for (const char c : name) quoted += c == '"' ? "\"\"" : std::string(1, c);
  return quoted + '"';
}

std::string table_identifier(std::string_view table) {
  const std::size_t dot = table.find('.');
  if (dot == std::string_view::npos) return identifier(table);
  return identifier(table.substr(0, dot)) + "." + identifier(table.substr(dot + 1));
}

std::string shown_url(const std::string& url) {
  const Options options = parse(url);
  const std::string user = option(options.get(), "user");
  const std::string host = option(options.get(), "host");
  const std::string port = option(options.get(), "port");
  if (is_split_wrongly(url) || host.find('@') != std::string::npos) refuse_address("has an @ too many");
  if (!is_ports(port)) refuse_address("has a port that is no number");
  std::string shown = "postgresql://";
  if (!user.empty()) shown += user + "@";
  shown += host;
  if (!port.empty()) shown += ":" + port;
  return shown + "/" + option(options.get(), "dbname");
}

}  // namespace tiderace::postgres
