#pragma once

#include <tiderace/export.h>

#include <chrono>
#include <memory>
#include <string>

namespace TIDERACE_API tiderace {

class SinkConnector;

/// A place outside the log that rows are written to, by `sdf.sink(...)`. A description, cheap to copy;
/// nothing is opened before a run.
class Sink {
 protected:
  explicit Sink(std::shared_ptr<SinkConnector> connector) : connector_(std::move(connector)) {}

 private:
  friend struct FrameAccess;
  std::shared_ptr<SinkConnector> connector_;
};

/// The options of a PostgreSQL sink. Only `table` is required.
struct PostgresSinkOptions {
  /// Where the rows go, `table` or `schema.table`. It is created if it is not there, and gets a column for
  /// each new field.
  std::string table = {};
  /// What the offsets are stored under, beside the consumer group. Empty: `table`.
  std::string name = {};
  /// A column for the record's key (text). Empty: none.
  std::string key_column = {};
  /// A column for the event time (timestamp with time zone). Empty: none.
  std::string event_time_column = {};
  /// Columns for where the record stood: topic (text), partition (integer), offset (bigint). Empty: none.
  std::string topic_column = {};
  std::string partition_column = {};
  std::string offset_column = {};
  /// Makes the table a hypertable of TimescaleDB over `event_time_column`, where it is not one.
  bool hypertable = false;
  /// How long an answer of the server is waited for before the connection is given up.
  std::chrono::nanoseconds timeout = std::chrono::seconds(30);
};

/// A table of PostgreSQL.
///
/// ```cpp
/// sdf.sink(tr::PostgresSink("postgresql://localhost/telemetry", {.table = "phone"}));
/// ```
///
/// Rows go in by COPY, with every checkpoint, in one transaction with the offsets that they came to (table
/// `tiderace_offsets` beside the other): each is there once, whatever stops, is killed or moves. A new field
/// makes a new column (int64: bigint, float64: double precision, string: text, bool: boolean, nested: jsonb),
/// a bigint column that meets floats becomes double precision, and a row whose value does not fit is bad.
///
/// *State*: none. *Errors*: Error{config} for what cannot be, at once; during a run where the server refuses
/// for good (rights, a view, a password). A server that is away is waited for; no row is lost. *Threads*: one
/// beside each worker talks to the server.
class PostgresSink : public Sink {
 public:
  /// `url`: `postgresql://user:password@host:5432/database`, or what else libpq takes; what is missing comes
  /// from its environment (PGPASSWORD, ...). Contacts nothing.
  PostgresSink(const std::string& url, const PostgresSinkOptions& options);
};

}  // namespace tiderace
