#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

struct pg_conn;
struct pg_result;

namespace tiderace::postgres {

/// What an answer of the server, or its absence, means for whoever asked.
enum class FailureKind {
  away,     ///< no server, or one that cannot at the moment: waiting helps
  changed,  ///< tables are not as they were: looking again helps
  data,     ///< a value does not fit
  refused   ///< somebody has to change something
};

class Failure : public std::runtime_error {
 public:
  Failure(FailureKind kind, std::string code, const std::string& message)
      : std::runtime_error(message), kind_(kind), code_(std::move(code)) {}
  [[nodiscard]] FailureKind kind() const noexcept { return kind_; }
  /// SQLSTATE; empty where no server has spoken.
  [[nodiscard]] const std::string& code() const noexcept { return code_; }

 private:
  FailureKind kind_;
  std::string code_;
};

/// Rows of an answer, as text.
class Rows {
 public:
  explicit Rows(pg_result* result);
  [[nodiscard]] std::size_t size() const noexcept;
  [[nodiscard]] std::size_t columns() const noexcept;
  [[nodiscard]] std::optional<std::string_view> at(std::size_t row, std::size_t column) const;
  [[nodiscard]] std::string column_name(std::size_t column) const;
  /// The type of a column, as an OID.
  [[nodiscard]] std::uint32_t column_type(std::size_t column) const;
  /// Rows that a statement has changed.
  [[nodiscard]] std::uint64_t affected() const;

 private:
  struct Clear {
    void operator()(pg_result* result) const noexcept;
  };
  std::unique_ptr<pg_result, Clear> result_;
};

using Parameters = std::vector<std::optional<std::string>>;

/// A connection to a server, given up at the first failure that leaves it in doubt. Calls return when they
/// are answered, and throw Failure; once `cancelled` says so, or where nothing moves for `timeout`, with
/// `away`. A statement that may take long is ended at the server, too, when it is cancelled. One thread.
class Connection {
 public:
  /// `cancelled` is asked on the thread of the calls.
  Connection(const std::string& url, std::chrono::nanoseconds timeout, std::function<bool()> cancelled);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  /// One statement. `patient`: it may take as long as it likes, for it may rewrite a table.
  Rows query(const std::string& sql, const Parameters& parameters = {}, bool patient = false);
  /// `sql` is a COPY ... FROM STDIN of `data`.
  void copy_in(const std::string& sql, std::string_view data);
  /// One statement whose rows come one by one: `next` until it returns nullopt. Nothing else meanwhile.
  void begin_stream(const std::string& sql);
  [[nodiscard]] std::optional<Rows> next();

 private:
  struct Finish {
    void operator()(pg_conn* connection) const noexcept;
  };
  using Deadline = std::chrono::steady_clock::time_point;

  void connect(const std::string& url);
  void send(const std::string& sql, const Parameters& parameters);
  void wait(bool readable, bool writable, std::optional<Deadline> deadline);
  void flush();
  [[nodiscard]] pg_result* result(bool patient);
  [[nodiscard]] Rows last_result(bool patient);
  [[nodiscard]] Deadline deadline() const;
  [[noreturn]] static void fail(const pg_result* result);
  [[noreturn]] void fail_connection(const char* doing);

  std::unique_ptr<pg_conn, Finish> connection_;
  const std::chrono::nanoseconds timeout_;
  const std::function<bool()> cancelled_;
  bool is_long_ = false;  ///< what was sent last may take as long as it likes
};

/// `name` as an identifier.
[[nodiscard]] std::string identifier(std::string_view name);
/// `a` or `a.b` as identifiers.
[[nodiscard]] std::string table_identifier(std::string_view table);

/// `url` without what nobody else may see: `postgresql://ada@db:5433/telemetry`. Throws Error{config} where
/// it is no connection string, or one whose password may have ended up in another part of it.
[[nodiscard]] std::string shown_url(const std::string& url);

}  // namespace tiderace::postgres
