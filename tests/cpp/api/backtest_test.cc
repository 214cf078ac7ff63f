// A table shared among threads: the same rows, values and errors as on one.

#include "api/backtest.h"

#include <gtest/gtest.h>
#include <tiderace/tiderace.h>

#include <set>
#include <thread>

#include "api/frame_access.h"
#include "api/table_internal.h"

namespace tiderace {
namespace {

using namespace std::chrono_literals;
using Names = std::vector<std::string>;

constexpr std::size_t table_rows = 30'000;

ApplicationOptions options_of(const OnError& policy) {
  return {.broker_address = "embedded:nowhere", .consumer_group = "test", .on_error = policy};
}

/// Every row as text, with the bits of its numbers.
Names rows_of(const Table& table) {
  Names rows(table.num_rows());
  for (const NamedColumn& column : TableAccess::columns(table)) {
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const bool is_text = in(column.column.kind(i), text_mask);
      rows[i] += fmt::format(
          "{}={}:{} ", column.name, to_string(column.column.kind(i)),
          is_text ? std::string(column.column.text(i)) : fmt::format("{:x}", column.column.values()[i]));
    }
  }
  return rows;
}

struct Outcome {
  Names rows;
  std::string summary;  ///< without what took how long
};

Outcome backtest(Application& app, const StreamingDataFrame& frame, const Table& table, std::size_t threads,
                 std::size_t batch_rows = 0, bool keyed = true) {
  BacktestRequest request{table};
  if (keyed) request.key = "rider";
  request.timestamp = "t";
  request.threads = threads;
  request.batch_rows = batch_rows;
  const auto& state = ApplicationAccess::state(app);
  const BacktestResult result = backtest(*state, FrameAccess::of(frame), request);
  const Summary told = app.summary();
  return {rows_of(to_table(result, table)),
          fmt::format("in {} out {} filtered {} bad {} late {} not finite {}", told.rows_in, told.rows_out,
                      told.filtered, told.bad, told.late, told.not_finite)};
}

/// Riders of many kinds, times that go back, values of a wrong kind and none.
Table troubled() {
  ColumnBuilder rider(table_rows), t(table_rows), x(table_rows), n(table_rows);
  for (std::size_t i = 0; i < table_rows; ++i) {
    if (i % 97 == 3)
      rider.set_null(i);
    else if (i % 101 == 7)
      rider.set_float64(i, 1.5);
    else if (i % 5 == 2)
      rider.set_int64(i, static_cast<std::int64_t>(i % 11));
    else
      rider.set_text(i, Kind::string, fmt::format("rider-{}", i * i % 37));
    t.set_int64(i, i % 1009 == 5 ? -1 : static_cast<std::int64_t>(1'000'000 + i * 10 - i % 13 * 900));
    if (i % 10 == 4)
      x.set_null(i);
    else
      x.set_float64(i, static_cast<double>(i * 7919 % 1000) / 7.0);
    if (i % 1013 == 11)
      n.set_text(i, Kind::string, "many");
    else
      n.set_int64(i, static_cast<std::int64_t>(i % 19));
  }
  const auto column = [](const char* name, ColumnBuilder& builder) {
    return NamedColumn{name, Column(std::move(builder))};
  };
  std::vector<NamedColumn> columns;
  columns.push_back(column("rider", rider));
  columns.push_back(column("t", t));
  columns.push_back(column("x", x));
  columns.push_back(column("n", n));
  return TableAccess::make(std::move(columns), table_rows);
}

StreamingDataFrame features(Application& app) {
  auto sdf = app.dataframe(app.topic("rows", {.timestamp = "t", .schema = {{"n", "int64"}}}));
  sdf = sdf[sdf["x"].notnull()];
  sdf["mean"] = sdf["x"].rolling(3s).mean();
  sdf["most"] = sdf["x"].rolling(5).max();
  sdf["change"] = sdf["x"].diff();
  sdf["text"] = sdf["n"].astype("string").str().upper();
  return sdf;
}

TEST(Backtest, GivesTheSameOnAnyNumberOfThreads) {
  const Table table = troubled();
  Application app(options_of(ErrorPolicy::skip));
  const StreamingDataFrame frame = features(app);
  const Outcome one = backtest(app, frame, table, 1);
  EXPECT_GT(one.rows.size(), table_rows / 2);
  EXPECT_EQ(one.summary.find(" late 0 "), std::string::npos) << one.summary;
  EXPECT_EQ(one.summary.find(" bad 0 "), std::string::npos) << one.summary;
  for (const std::size_t threads : {2u, 3u, 7u}) {
    for (const std::size_t batch_rows : {0u, 100u}) {
      const Outcome many = backtest(app, frame, table, threads, batch_rows);
      EXPECT_EQ(many.rows, one.rows) << threads;
      EXPECT_EQ(many.summary, one.summary) << threads;
    }
  }
}

TEST(Backtest, SharesRowsWithoutKeysToo) {
  const Table table = troubled();
  Application app(options_of(ErrorPolicy::skip));
  auto frame = app.dataframe(app.topic("rows", {.schema = {{"n", "int64"}}}));
  frame["y"] = frame["x"] * 2.5 + frame["n"];
  frame = frame[frame["y"] > 40];
  const Outcome one = backtest(app, frame, table, 1, 0, false);
  EXPECT_GT(one.rows.size(), table_rows / 2);
  const Outcome many = backtest(app, frame, table, 3, 100, false);
  EXPECT_EQ(many.rows, one.rows);
  EXPECT_EQ(many.summary, one.summary);
}

TEST(Backtest, StopsAtTheFirstBadRowOfAllThreads) {
  const Table table = troubled();
  Application app(options_of(ErrorPolicy::stop));
  const StreamingDataFrame frame = features(app);
  std::set<std::string> found;
  for (const std::size_t threads : {1u, 2u, 7u}) {
    try {
      static_cast<void>(backtest(app, frame, table, threads, 100));
      ADD_FAILURE() << "no bad row was found";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::bad_row);
      found.insert(
          fmt::format("{}, in {}, out {}", error.what(), app.summary().rows_in, app.summary().rows_out));
    }
  }
  EXPECT_EQ(found.size(), 1u);
  EXPECT_NE(found.begin()->find("row 3"), std::string::npos) << *found.begin();
}

TEST(Backtest, StopsLateAndSaysWhatARunSays) {
  ColumnBuilder rider(table_rows), n(table_rows);
  for (std::size_t i = 0; i < table_rows; ++i) {
    rider.set_int64(i, static_cast<std::int64_t>(i % 40));
    n.set_int64(i, static_cast<std::int64_t>(i));
  }
  // Of four riders, so on several threads, the latest met first.
  n.set_text(29'000, Kind::string, "many");
  n.set_text(21'111, Kind::string, "many");
  rider.set_null(20'500);
  n.set_text(28'002, Kind::string, "many");
  std::vector<NamedColumn> columns;
  columns.push_back({"rider", Column(std::move(rider))});
  columns.push_back({"n", Column(std::move(n))});
  columns.push_back({"t", columns[1].column});
  const Table table = TableAccess::make(std::move(columns), table_rows);
  Application app(options_of(ErrorPolicy::stop));
  auto frame =
      app.dataframe(app.topic("rows", {.timestamp = "t", .schema = {{"n", "int64"}, {"t", "int64"}}}));
  auto without_state = frame;
  without_state["m"] = frame["n"] * 2 + frame["t"];
  frame["change"] = frame["n"].diff();
  for (const std::size_t threads : {1u, 2u, 7u}) {
    for (const bool state : {true, false}) {
      try {
        static_cast<void>(backtest(app, state ? frame : without_state, table, threads, 100));
        ADD_FAILURE() << "no bad row was found";
      } catch (const Error& error) {
        ASSERT_TRUE(error.bad_row());
        EXPECT_EQ(error.bad_row()->offset, state ? 20'500 : 21'111);
        EXPECT_EQ(error.bad_row()->kind, state ? BadRowKind::key : BadRowKind::type) << error.what();
        EXPECT_EQ(app.summary().rows_in, state ? 20'501u : 21'112u);
        EXPECT_EQ(app.summary().bad, 1u);
      }
    }
  }
}

TEST(Backtest, TablesOfFewRowsAndNoneThatStay) {
  const Table all = troubled();
  Application app(options_of(ErrorPolicy::skip));
  auto nothing = features(app);
  nothing = nothing[nothing["mean"] > 1e9];
  EXPECT_EQ(backtest(app, nothing, all, 3).rows, Names{});
  for (const std::size_t rows : {0u, 1u, 2u}) {
    std::vector<NamedColumn> columns = TableAccess::columns(all);
    for (NamedColumn& column : columns) column.column = column.column.slice(0, rows);
    const Table few = TableAccess::make(std::move(columns), rows);
    EXPECT_EQ(backtest(app, features(app), few, 3).rows, backtest(app, features(app), few, 1).rows);
    EXPECT_EQ(app.summary().rows_in, rows);
  }
}

TEST(Backtest, CallsFunctionsInOrderOnTheCallingThread) {
  const Table table = troubled();
  Application app(options_of(ErrorPolicy::skip));
  std::set<std::thread::id> callers;
  std::vector<std::int64_t> numbers;
  auto frame = app.dataframe(app.topic("rows"));
  frame = frame.filter([&](const Row& row) {
    callers.insert(std::this_thread::get_id());
    numbers.push_back(row["t"].get<std::int64_t>());
    return true;
  });
  const Outcome told = backtest(app, frame, table, 4);
  EXPECT_EQ(callers, std::set{std::this_thread::get_id()});
  std::vector<std::int64_t> in_order;
  for (const auto& t : table.column<std::int64_t>("t")) {
    if (*t >= 0) in_order.push_back(*t);
  }
  EXPECT_EQ(numbers, in_order);
}

TEST(Backtest, AnInterruptOnTheCallingThreadEndsAllThreads) {
  const Table table = troubled();
  Application app(options_of(ErrorPolicy::skip));
  const StreamingDataFrame frame = features(app);
  BacktestRequest request{table};
  request.key = "rider";
  request.timestamp = "t";
  request.threads = 3;
  request.batch_rows = 10;
  int calls = 0;
  const std::thread::id caller = std::this_thread::get_id();
  request.interrupt = [&] {
    EXPECT_EQ(std::this_thread::get_id(), caller);
    if (++calls == 20) throw std::runtime_error("enough");
  };
  EXPECT_THROW(static_cast<void>(backtest(*ApplicationAccess::state(app), FrameAccess::of(frame), request)),
               std::runtime_error);
  EXPECT_EQ(calls, 20);
}

TEST(Backtest, AnInterruptIsMetWhileOthersAreAtWork) {
  constexpr int rows = 1'000'000;
  Application app(options_of(ErrorPolicy::skip));
  auto frame = app.dataframe(app.topic("rows"));
  frame["change"] = frame["x"].diff();
  int met = 0;
  for (int key = 0; key < 8 && met == 0; ++key) {  // all rows are one thread's, of some keys not this one's
    const std::vector<std::int64_t> same(rows, key);
    const Column column = Column::of_int64(same);
    BacktestRequest request{
        TableAccess::make(std::vector<NamedColumn>{{"rider", column}, {"x", column}}, rows)};
    request.key = "rider";
    request.threads = 2;
    request.batch_rows = 1;
    const int of_reading = rows / 2 / 8192 + 1;  // keys, half of them on this thread
    int calls = 0;
    request.interrupt = [&] {
      if (++calls > of_reading + rows) throw std::runtime_error("enough");  // no batch is left that asks
    };
    try {
      static_cast<void>(backtest(*ApplicationAccess::state(app), FrameAccess::of(frame), request));
    } catch (const std::runtime_error&) {
      ++met;
    }
  }
  EXPECT_GT(met, 0);
}

}  // namespace
}  // namespace tiderace
