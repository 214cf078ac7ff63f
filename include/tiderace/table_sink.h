#pragma once

#include <tiderace/error.h>
#include <tiderace/export.h>
#include <tiderace/sink.h>
#include <tiderace/table.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace TIDERACE_API tiderace {

/// Thrown by a sink that cannot store rows now, where waiting helps.
class SinkUnavailable : public Error {
 public:
  explicit SinkUnavailable(const std::string& message) : Error(ErrorKind::broker, message) {}
};

/// A partition of the input.
struct InputPartition {
  std::string topic;
  std::int32_t partition = 0;
  auto operator<=>(const InputPartition&) const = default;
};

/// The rows of one partition in one commit.
struct SinkPart {
  InputPartition partition;
  /// The offset that the sink told before, unset if it had nothing: another one there means that somebody
  /// else has written.
  std::optional<std::int64_t> begin;
  std::int64_t end = 0;  ///< the next offset, to be told from now on
  Table table;           ///< the rows, maybe none
};

/// A place of your own that rows are written to, once each.
///
/// ```cpp
/// class Shelf : public tr::TableSink {
///   std::vector<std::optional<std::int64_t>> open(const std::string&, std::span<const tr::InputPartition>)
///   override; void write(const std::string& group, std::span<const tr::SinkPart> parts) override;
/// };
/// sdf.sink(tr::CustomSink("shelf", std::make_shared<Shelf>()));
/// ```
///
/// *Errors*: SinkUnavailable is waited for, with `open` as the next call; anything else ends the run.
/// *Threads*: one beside each worker; one call at a time. A call that does not return holds up a stop, and
/// partitions that should move to another process.
class TableSink {
 public:
  virtual ~TableSink() = default;
  /// The next offset of each of `partitions` that it has rows of `group` from; nullopt: it has none.
  virtual std::vector<std::optional<std::int64_t>> open(const std::string& group,
                                                        std::span<const InputPartition> partitions) = 0;
  /// What the columns hold that are there, by name: `int64 float64 string bool bytes`, or `integer`, an int64
  /// some of which no float64 is. Asked after `open`; a row with a value of another kind is bad. Default: the
  /// first value decides.
  [[nodiscard]] virtual std::map<std::string, std::string> kinds() { return {}; }
  /// Stores the rows and the ends of `parts`, all of it or nothing.
  virtual void write(const std::string& group, std::span<const SinkPart> parts) = 0;
};

/// The options of a sink of your own: columns for the record's key, the row's event time (nanoseconds since
/// 1970) and where the record stood. Empty: none.
struct CustomSinkOptions {
  std::string key_column = {};
  std::string event_time_column = {};
  std::string topic_column = {};
  std::string partition_column = {};
  std::string offset_column = {};
};

/// A `TableSink` as a sink. A column holds values of one kind (numbers are one); a row that differs is bad.
class CustomSink : public Sink {
 public:
  /// `name`: what it is called, in an application only once.
  CustomSink(const std::string& name, std::shared_ptr<TableSink> sink, const CustomSinkOptions& options = {});
};

}  // namespace tiderace
