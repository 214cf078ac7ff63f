#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "columnar/function.h"

namespace tiderace {

/// A partition of the input, as a sink knows it: what it has of each is told by an offset.
struct SinkPartition {
  std::string topic;
  std::int32_t partition = 0;
  auto operator<=>(const SinkPartition&) const = default;
};

/// Rows on their way into a sink: some of one partition, in the order of their offsets.
struct SinkRows {
  SinkPartition partition;
  std::vector<NamedColumn> columns;
  std::vector<std::int64_t> offsets;  ///< of the input records
  std::vector<std::int64_t> event_time_ns;
  std::vector<std::optional<std::string_view>> keys;  ///< of the input records; into `owner`
  std::shared_ptr<const void> owner;
};

/// What one commit says of one partition.
struct SinkCommit {
  SinkPartition partition;
  std::optional<std::int64_t> from;  ///< what the sink should have; nullopt: nothing of this partition yet
  std::int64_t to = 0;               ///< the next offset that it has nothing of
};

/// Thrown where what a sink took since its last commit may not be stored: it does not answer, its offsets are
/// not the ones that were expected, or it has changed. Whoever wrote to it goes back to the last commit, asks
/// for the offsets again, and does what is missing once more.
class SinkLost : public Error {
 public:
  explicit SinkLost(const std::string& message) : Error(ErrorKind::broker, message) {}
};

/// Writes the rows of one worker to one sink, with the offsets that they came to, both or neither.
///
/// Two threads: `take` and `hand_over` are the worker's, `open` and `commit` those of a thread beside it, one
/// call at a time; `take` and `abort` may come while `open` is under way, `take` also during a commit.
class SinkWriter {
 public:
  virtual ~SinkWriter() = default;
  /// The offset that the sink has of each of `partitions`, nullopt if it has none. The first call of all, and
  /// the first after a SinkLost, connects. Throws SinkLost where the sink is away; Error where waiting does
  /// not help.
  [[nodiscard]] virtual std::vector<std::optional<std::int64_t>> open(
      std::span<const SinkPartition> partitions) = 0;
  /// Takes rows for the next commit; those that the sink cannot take are added to `errors` under their index.
  virtual void take(SinkRows rows, RowErrors& errors) = 0;
  /// What was taken up to now is for the commit that comes next.
  virtual void hand_over() = 0;
  /// Stores what was handed over and the offsets, all of it or nothing; nothing where the sink does not have
  /// the offset `from` of one of them: then somebody else has written. Throws as `open`.
  virtual void commit(std::span<const SinkCommit> offsets) = 0;
  /// Forgets what was taken and handed over.
  virtual void abort() noexcept = 0;
};

/// What a writer works with.
struct SinkContext {
  std::string group;  ///< whose offsets are stored
  /// Once set, calls that wait for the sink end with SinkLost.
  const std::atomic<bool>* cancelled = nullptr;
};

/// A place outside the log that rows are written to. A description: nothing is opened before a writer's
/// `open`. Any thread.
class SinkConnector {
 public:
  virtual ~SinkConnector() = default;
  /// What its offsets are stored under, beside the group: two sinks of an application have two names.
  [[nodiscard]] virtual std::string name() const = 0;
  /// As `explain` prints it, without secrets: `tr.PostgresSink("postgresql://db", table="telemetry")`.
  [[nodiscard]] virtual std::string text() const = 0;
  /// Columns that the sink fills from the record, so that a row may have no value there; empty texts are
  /// none.
  [[nodiscard]] virtual std::vector<std::string> record_columns() const { return {}; }
  [[nodiscard]] virtual std::unique_ptr<SinkWriter> writer(const SinkContext& context) const = 0;
};

}  // namespace tiderace
