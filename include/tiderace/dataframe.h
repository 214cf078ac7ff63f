#pragma once

#include <tiderace/export.h>
#include <tiderace/row.h>
#include <tiderace/series.h>
#include <tiderace/sink.h>
#include <tiderace/state.h>
#include <tiderace/topic.h>

#include <chrono>
#include <concepts>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace TIDERACE_API tiderace {

class ColumnOfFrame;
class ColumnsOfFrame;
class RollingFrame;
class Table;
struct FrameState;

/// The options of `apply`, `filter` and `update`.
struct FunctionOptions {
  std::string function_name = "function";  ///< what `explain` calls it
  std::string name = {};  ///< of the state of a stateful function; empty: `apply(function_name)`
};

/// The options of `backtest`.
struct BacktestOptions {
  std::optional<std::string> key = {};  ///< the column that holds each row's key
  /// The column that holds each row's event time; unset: that of the topic, if the table has it.
  std::optional<std::string> timestamp = {};
  std::size_t batch_rows = 0;  ///< 0: the engine's choice; results do not depend on it
  bool progress = false;       ///< shows how far it is, on standard error
};

/// A frame of rows that are still to come, as pandas' DataFrame: what is said of it is a plan that
/// `app.run()` runs.
///
/// ```cpp
/// auto sdf = app.dataframe(app.topic("phone-data"));
/// sdf = sdf[sdf["x"].notnull()];
/// sdf["mean"] = sdf["x"].rolling("10s").mean();
/// sdf.to_topic(app.topic("alerts"));
/// ```
///
/// Every method returns another frame; only `sdf["x"] = ...` and `sdf = ...` change the variable; `to_topic`,
/// `sink` and `print` act where they stand. *Errors*: what cannot be throws Error{plan} at once, naming the
/// step. *Threads*: one that builds.
class [[nodiscard]] StreamingDataFrame {
 public:
  /// A column, to read or to set.
  ColumnOfFrame operator[](const std::string& column);
  ColumnOfFrame operator[](const char* column);
  Series operator[](const std::string& column) const;
  Series operator[](const char* column) const;
  /// Exactly these columns, in this order; or several to set at once.
  ColumnsOfFrame operator[](std::initializer_list<std::string> columns);
  StreamingDataFrame operator[](std::initializer_list<std::string> columns) const;
  ColumnsOfFrame operator[](std::vector<std::string> columns);
  StreamingDataFrame operator[](std::vector<std::string> columns) const;
  /// The rows for which `mask` is true.
  StreamingDataFrame operator[](const Series& mask) const;

  StreamingDataFrame drop(std::vector<std::string> columns) const;
  StreamingDataFrame rename(std::vector<std::pair<std::string, std::string>> columns) const;

  /// Over all columns of a projection in one walk: `sdf[{"m", "n"}] = sdf[{"a", "b"}].rolling("10s").mean()`.
  [[nodiscard]] RollingFrame rolling(std::chrono::nanoseconds window,
                                     const RollingOptions& options = {}) const;
  [[nodiscard]] RollingFrame rolling(const std::string& window, const RollingOptions& options = {}) const;
  [[nodiscard]] RollingFrame rolling(std::int64_t rows, const RollingOptions& options = {}) const;
  [[nodiscard]] RollingFrame rolling(int rows, const RollingOptions& options = {}) const;

  /// Calls `function` row by row and takes the Row that it returns as the new row; or, in `sdf["y"] =
  /// sdf.apply(f)`, any value as a column. Slow beside columns. A call that throws makes the row bad.
  template <std::invocable<const Row&> Function>
  StreamingDataFrame apply(Function function, const FunctionOptions& options = {}) const {
    return apply_row(RowCall(std::move(function)), options);
  }
  /// The same with what it remembers of the row's key.
  template <std::invocable<const Row&, State&> Function>
  StreamingDataFrame apply(Function function, const FunctionOptions& options = {}) const {
    return apply_row(StatefulRowCall(std::move(function)), options);
  }
  /// Keeps the rows for which `function` returns true.
  template <std::invocable<const Row&> Function>
  StreamingDataFrame filter(Function function, const FunctionOptions& options = {}) const {
    return filter_row(RowCall(std::move(function)), options);
  }
  template <std::invocable<const Row&, State&> Function>
  StreamingDataFrame filter(Function function, const FunctionOptions& options = {}) const {
    return filter_row(StatefulRowCall(std::move(function)), options);
  }
  /// `function` changes the row in place.
  template <std::invocable<Row&> Function>
  StreamingDataFrame update(Function function, const FunctionOptions& options = {}) const {
    return update_row([function = std::move(function)](Row& row, State*) { function(row); }, false, options);
  }
  template <std::invocable<Row&, State&> Function>
  StreamingDataFrame update(Function function, const FunctionOptions& options = {}) const {
    return update_row([function = std::move(function)](Row& row, State* state) { function(row, *state); },
                      true, options);
  }
  /// Calls `function` with a table of this projection's columns, once a batch; the table that it returns, as
  /// long, is the new rows, or, in `sdf["y"] = ...`, its one column is the new one.
  StreamingDataFrame map_batches(std::function<Table(const Table&)> function,
                                 const std::string& function_name = "function") const;

  /// Runs the plan of this frame over a table, without log or clock, and returns the rows that reach its end,
  /// in the table's order. Nothing is written, no state is left; `summary()` of the application says what it
  /// did. A long table is worked on by several threads, up to the processors that this process may use (and
  /// 16), each with the rows of some of the keys; where the plan has functions, a state_ttl or an on_error
  /// function, by this one alone. Throws Error{plan} where the plan needs a key or a time that the table does
  /// not give, and Error{bad_row} under the policy `stop`, with the row number as offset.
  [[nodiscard]] Table backtest(const Table& data, const BacktestOptions& options = {}) const;

  /// Writes the rows to `topic`, under the record's key or that of a column; returns this frame.
  StreamingDataFrame& to_topic(const TopicPtr& topic);
  StreamingDataFrame& to_topic(const TopicPtr& topic, const Series& key);
  StreamingDataFrame& to_topic(const TopicPtr& topic, const std::string& key);
  StreamingDataFrame& to_topic(const TopicPtr& topic, const char* key) {
    return to_topic(topic, std::string(key));
  }
  /// Writes the rows to a place outside the log, once each; returns this frame. Throws Error{plan} if the
  /// application writes to another sink of that name.
  StreamingDataFrame& sink(const Sink& sink);
  /// Prints the rows as they pass, columns `width` characters wide; `live`: as a table that redraws.
  StreamingDataFrame& print(int width = 15, bool live = false);

 protected:
  friend struct FrameAccess;
  friend class ColumnOfFrame;
  friend class ColumnsOfFrame;
  using RowCall = std::function<Value(const Row&)>;
  using StatefulRowCall = std::function<Value(const Row&, State&)>;
  explicit StreamingDataFrame(std::shared_ptr<const FrameState> state) : state_(std::move(state)) {}

 private:
  StreamingDataFrame apply_row(RowCall function, const FunctionOptions& options) const;
  StreamingDataFrame apply_row(StatefulRowCall function, const FunctionOptions& options) const;
  StreamingDataFrame filter_row(RowCall function, const FunctionOptions& options) const;
  StreamingDataFrame filter_row(StatefulRowCall function, const FunctionOptions& options) const;
  StreamingDataFrame update_row(std::function<void(Row&, State*)> function, bool stateful,
                                const FunctionOptions& options) const;

  std::shared_ptr<const FrameState> state_;
};

/// `sdf["y"]`: a series to read; assigning to it sets the column of `sdf`.
class ColumnOfFrame : public Series {
 public:
  ColumnOfFrame(const ColumnOfFrame&) = default;
  // Assigning to `sdf["y"]` itself sets the column; a variable that holds it is a variable like any other.
  void operator=(const Series& value) &&;
  void operator=(const ColumnOfFrame& value) && { std::move(*this) = static_cast<const Series&>(value); }
  void operator=(const StreamingDataFrame& value) &&;
  ColumnOfFrame& operator=(const Series& value) & {
    Series::operator=(value);
    return *this;
  }
  ColumnOfFrame& operator=(const ColumnOfFrame& value) & {
    Series::operator=(value);
    return *this;
  }

 private:
  friend class StreamingDataFrame;
  ColumnOfFrame(StreamingDataFrame& frame, std::string name);
  StreamingDataFrame* frame_;
  std::string name_;
};

/// `sdf[{"a", "b"}]`: a frame to read; assigning a frame of as many columns to it sets them in `sdf`.
class ColumnsOfFrame : public StreamingDataFrame {
 public:
  ColumnsOfFrame(const ColumnsOfFrame&) = default;
  void operator=(const StreamingDataFrame& values) &&;
  void operator=(const ColumnsOfFrame& values) && {
    std::move(*this) = static_cast<const StreamingDataFrame&>(values);
  }
  ColumnsOfFrame& operator=(const StreamingDataFrame& value) & {
    StreamingDataFrame::operator=(value);
    return *this;
  }
  ColumnsOfFrame& operator=(const ColumnsOfFrame& value) & {
    StreamingDataFrame::operator=(value);
    return *this;
  }

 private:
  friend class StreamingDataFrame;
  ColumnsOfFrame(StreamingDataFrame& frame, std::vector<std::string> names);
  StreamingDataFrame* frame_;
  std::vector<std::string> names_;
};

/// `sdf[{"a", "b"}].rolling("10s")`.
class RollingFrame {
 public:
  StreamingDataFrame mean() const;
  StreamingDataFrame sum() const;
  StreamingDataFrame min() const;
  StreamingDataFrame max() const;
  StreamingDataFrame count() const;
  StreamingDataFrame std(int ddof = 1) const;
  StreamingDataFrame var(int ddof = 1) const;

 private:
  friend class StreamingDataFrame;
  struct State;
  explicit RollingFrame(std::shared_ptr<const State> state) : state_(std::move(state)) {}
  std::shared_ptr<const State> state_;
};

}  // namespace tiderace
