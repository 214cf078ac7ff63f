#pragma once

#include <tiderace/export.h>
#include <tiderace/options.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>

namespace TIDERACE_API tiderace {

class SourceConnector;

/// What all sources have in common.
struct SourceOptions {
  /// The field with each row's key: a string or an integer. Unset: rows have none.
  std::optional<std::string> key = {};
  /// The field with each row's event time. Unset: the moment at which it is read.
  std::optional<std::string> timestamp = {};
  TimestampUnit timestamp_unit = TimestampUnit::ms;
  /// Declared kinds by field, as of a topic.
  std::map<std::string, std::string> schema = {};
  /// Its topic is called so, behind the consumer group. Empty: the file's name without its ending.
  std::string name = {};
  /// Of its topic, where it is created.
  int num_partitions = 1;
  std::int16_t replication_factor = 1;
};

/// The options of `Application::dataframe` of a source.
struct ReplayOptions {
  /// How many times as fast as event time the rows come: 1 is as they came, 10 ten times as fast. Unset: as
  /// fast as it goes.
  std::optional<double> replay_speed = {};
};

/// A history of rows outside the log, for `app.dataframe(source)`. A description, cheap to copy; nothing is
/// opened before a run.
class History {
 protected:
  explicit History(std::shared_ptr<SourceConnector> connector) : connector_(std::move(connector)) {}

 private:
  friend struct SourceAccess;
  std::shared_ptr<SourceConnector> connector_;
};

/// A CSV file with a header (RFC 4180), read piece by piece. Kinds are inferred a column, over the whole
/// file, as `Table::read_csv` does; `schema` goes before.
class CsvSource : public History {
 public:
  explicit CsvSource(const std::string& path, const SourceOptions& options = {});
};

/// A file with a JSON object a line, each handed on byte for byte; blank lines are passed over. A line that
/// is no JSON object is a bad row.
class NdjsonSource : public History {
 public:
  explicit NdjsonSource(const std::string& path, const SourceOptions& options = {});
};

/// The rows of a query, which come one by one, whatever their number. A query that is asked again, after a
/// restart, has to give the same rows in the same order: ORDER BY something that is unique, of rows that do
/// not change. Columns of time types come as numbers in `timestamp_unit`.
class PostgresSource : public History {
 public:
  /// `options.name` is required.
  PostgresSource(const std::string& url, const std::string& query, const SourceOptions& options);
};

}  // namespace tiderace
