// The public C++ API from end to end on an embedded log, in a directory of its own.

#include <gtest/gtest.h>
#include <tiderace/tiderace.h>

#include <bit>
#include <cmath>
#include <fstream>
#include <functional>
#include <thread>

#include "log/embedded/embedded_log.h"
#include "temporary_directory.h"

namespace tiderace {
namespace {

using namespace std::chrono_literals;
using Texts = std::vector<std::string>;

/// An application's log and state, which outlive it.
class Home {
 public:
  [[nodiscard]] ApplicationOptions options() const {
    return {.broker_address = "embedded:" + directory_.path(),
            .consumer_group = "test",
            .processing_guarantee = ProcessingGuarantee::exactly_once};
  }
  [[nodiscard]] Application application() const { return Application(options()); }

  void produce(const std::string& topic, const std::vector<std::pair<std::string, std::string>>& rows) const {
    Application app = application();
    auto producer = app.get_producer();
    for (const auto& [key, value] : rows)
      producer.produce({.topic = topic, .key = key, .value = value, .timestamp = 1});
  }

  [[nodiscard]] Texts values(const std::string& topic) const {
    const auto log = embedded_log(directory_.path());
    Texts found;
    const auto info = log->topic(topic);
    for (std::int32_t p = 0; info && p < info->config.num_partitions; ++p) {
      for (std::int64_t offset = 0;;) {
        const auto records = log->read({topic, p}, offset, 1 << 20);
        if (!records || records->rows.empty()) break;
        offset = records->next_offset;
        for (const Record& record : records->rows) found.emplace_back(record.value_view());
      }
    }
    return found;
  }

  [[nodiscard]] Table table(const Texts& rows) const {
    const std::string path = directory_.path() + "/rows.ndjson";
    std::ofstream file(path);
    for (const std::string& row : rows) file << row << '\n';
    file.close();
    return Table::read_ndjson(path);
  }

 private:
  TemporaryDirectory directory_;
};

std::vector<std::optional<std::uint64_t>> bits(const Table& table, const std::string& column) {
  std::vector<std::optional<std::uint64_t>> found;
  for (const auto& value : table.column<double>(column))
    found.push_back(value ? std::optional(std::bit_cast<std::uint64_t>(*value)) : std::nullopt);
  return found;
}

std::string refusal(const std::function<void()>& call, ErrorKind kind) {
  try {
    call();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), kind) << error.what();
    return error.what();
  }
  ADD_FAILURE() << "not refused";
  return "";
}

StreamingDataFrame features(Application& app) {
  auto sdf = app.dataframe(app.topic("phone-data", {.timestamp = "timestamp"}));
  sdf = sdf[sdf["x"].notnull()];
  sdf["total"] = sdf["x"].abs() + sdf["y"].abs() * 1.7;
  sdf[{"mean", "deviation"}] = StreamingDataFrame(sdf[{"x", "total"}]).rolling(10s).mean();
  sdf["deviation"] = sdf["total"].rolling("5s").std();
  sdf["change"] = sdf["total"].diff();
  sdf["root"] = sdf["total"].sqrt().exp();
  return sdf;
}

Texts phone_rows() {
  Texts rows;
  for (int i = 0; i < 500; ++i) {
    const int t = 1'000'000 + i * 130 - (i % 17 == 5 ? 7000 : 0);
    std::string row = "{\"rider\":\"r" + std::to_string(i % 3) + "\",\"timestamp\":" + std::to_string(t);
    if (i % 5 != 4) {
      row += ",\"x\":" + std::to_string(std::sin(i) * 9.81) + ",\"y\":" + std::to_string(std::cos(i * 7));
    }
    rows.push_back(row + "}");
  }
  return rows;
}

TEST(Run, GivesTheValuesOfABacktestBitForBit) {
  const Home home;
  const Texts rows = phone_rows();
  // In three runs of the program, so that state goes through the store.
  for (std::size_t part = 0; part < 3; ++part) {
    std::vector<std::pair<std::string, std::string>> keyed;
    for (std::size_t i = part * rows.size() / 3; i < (part + 1) * rows.size() / 3; ++i)
      keyed.emplace_back("r" + std::to_string(i % 3), rows[i]);
    home.produce("phone-data", keyed);
    Application app = home.application();
    auto sdf = features(app);
    sdf.to_topic(app.topic("alerts"));
    const Summary summary = app.run({.until_end = true});
    EXPECT_EQ(summary.rows_in, keyed.size());
    EXPECT_EQ(summary.rows_in, summary.rows_out + summary.filtered);
    EXPECT_GT(summary.late, 0u);
    EXPECT_EQ(summary.bad, 0u);
    EXPECT_GT(summary.seconds, 0);
    EXPECT_GT(summary.latency_max_ms, 0);
    EXPECT_LE(summary.latency_p50_ms, summary.latency_max_ms);
    EXPECT_EQ(app.summary().rows_in, summary.rows_in);
  }
  const Table live = home.table(home.values("alerts"));
  Application app = home.application();
  for (const std::size_t batch_rows : {std::size_t{0}, std::size_t{1}, std::size_t{7}}) {
    const Table tested = features(app).backtest(
        home.table(rows), {.key = "rider", .timestamp = "timestamp", .batch_rows = batch_rows});
    ASSERT_EQ(tested.num_rows(), 400u);
    ASSERT_EQ(live.num_rows(), 400u);
    for (const char* column : {"x", "total", "mean", "deviation", "change", "root"})
      EXPECT_EQ(bits(tested, column), bits(live, column)) << column;
  }
}

TEST(Run, CallsFunctionsOfTheProgramAndKeepsTheirState) {
  const Home home;
  const auto run = [&] {
    Application app = home.application();
    auto sdf = app.dataframe(app.topic("in"));
    sdf = sdf.filter([](const Row& row) { return row["x"].get<std::int64_t>() >= 0; });
    sdf = sdf.update([](Row& row, State& state) {
      const std::int64_t sum = state.get("sum", 0).get<std::int64_t>() + row["x"].get<std::int64_t>();
      state.set("sum", sum);
      row["sum"] = sum;
    });
    sdf["twice"] = sdf["x"].apply([](const Value& x) { return Value(x.get<std::int64_t>() * 2); });
    sdf["half"] = sdf[{"x"}].map_batches([](const Table& table) {
      std::vector<double> halves;
      for (const auto& x : table.column<double>("x")) halves.push_back(*x / 2);
      return Table({{"half", std::move(halves)}});
    });
    sdf = sdf.apply([](const Row& row) {
      Row result = row;
      result.erase("x");
      return result;
    });
    sdf.to_topic(app.topic("out"));
    return app.run({.until_end = true});
  };
  home.produce("in", {{"a", R"({"x":1})"}, {"b", R"({"x":10})"}, {"a", R"({"x":-5})"}, {"a", R"({"x":2})"}});
  const Summary first = run();
  EXPECT_EQ(first.filtered, 1u);
  home.produce("in", {{"a", R"({"x":4})"}});
  EXPECT_EQ(run().rows_in, 1u);
  EXPECT_EQ(home.values("out"),
            (Texts{R"({"sum":1,"twice":2,"half":0.5})", R"({"sum":10,"twice":20,"half":5.0})",
                   R"({"sum":3,"twice":4,"half":1.0})", R"({"sum":7,"twice":8,"half":2.0})"}));
}

TEST(Run, AFunctionThatThrowsMakesItsRowBadAndUndoesItsState) {
  const Home home;
  home.produce("in", {{"a", R"({"x":1})"}, {"a", R"({"x":2})"}, {"a", R"({"x":3})"}});
  ApplicationOptions options = home.options();
  options.on_error = ErrorPolicy::skip;
  Application app(options);
  auto sdf = app.dataframe(app.topic("in"));
  sdf = sdf.update([](Row& row, State& state) {
    state.set("seen", state.get("seen", 0).get<std::int64_t>() + 1);
    if (row["x"].get<std::int64_t>() == 2) throw std::runtime_error("I do not like it");
    row["seen"] = state.get("seen");
  });
  sdf.to_topic(app.topic("out"));
  EXPECT_EQ(app.run({.until_end = true}).bad, 1u);
  EXPECT_EQ(home.values("out"), (Texts{R"({"x":1,"seen":1})", R"({"x":3,"seen":2})"}));
}

TEST(Run, ABadRowNamesItsFunctionAndItsPlace) {
  const Home home;
  home.produce("in", {{"a", R"({"x":1})"}, {"a", R"({"x":2})"}});
  Application app = home.application();
  auto sdf = app.dataframe(app.topic("in"));
  sdf = sdf.update(
      [](Row& row) {
        if (row["x"].get<std::int64_t>() == 2) throw std::runtime_error("I do not like it");
      },
      {.function_name = "dislike"});
  sdf.to_topic(app.topic("out"));
  try {
    app.run({.until_end = true});
    FAIL() << "did not stop";
  } catch (const Error& error) {
    ASSERT_EQ(error.kind(), ErrorKind::bad_row);
    EXPECT_EQ(error.bad_row()->kind, BadRowKind::function);
    EXPECT_EQ(error.bad_row()->offset, 1);
    EXPECT_EQ(error.bad_row()->key, "a");
    EXPECT_NE(error.bad_row()->step.find("dislike"), std::string::npos) << error.bad_row()->step;
    EXPECT_NE(std::string(error.what()).find("I do not like it"), std::string::npos) << error.what();
  }
  EXPECT_EQ(app.summary().bad, 1u);
  EXPECT_EQ(home.values("out"), Texts{R"({"x":1})"});
}

TEST(Run, PredictsWithAModel) {
  const Home home;
  home.produce("in",
               {{"a", R"({"f0":-1.476,"f1":0.4396,"f2":0.8716})"}, {"a", R"({"f0":null,"f1":1,"f2":-1})"}});
  const std::string path = std::string(TIDERACE_SOURCE_DIR) + "/tests/cpp/models/data/logistic_half.ubj";
  Application app = home.application();
  auto sdf = app.dataframe(app.topic("in"));
  sdf["p"] = load_model(path, {.method = "predict_proba"}).predict(sdf[{"f0", "f1", "f2"}]);
  sdf.to_topic(app.topic("out"));
  app.run({.until_end = true});
  const auto p = home.table(home.values("out")).column<double>("p");
  ASSERT_EQ(p.size(), 2u);
  EXPECT_NEAR(p[0].value_or(0), 0.19787773489952087, 1e-6);  // as Python's XGBoost says
  EXPECT_FALSE(p[1].has_value());
}

TEST(Run, StopsFromAnotherThread) {
  const Home home;
  home.produce("in", {{"a", R"({"x":1})"}});
  Application app = home.application();
  auto sdf = app.dataframe(app.topic("in"));
  app.stop();  // without effect: nothing runs
  sdf = sdf.update([&app](Row&) { std::thread([&app] { app.stop(); }).join(); });
  sdf.to_topic(app.topic("out"));
  EXPECT_EQ(app.run().rows_out, 1u);
  EXPECT_EQ(app.run({.timeout = 1ms}).rows_out, 0u);
}

TEST(Run, IsExplainedStepByStep) {
  const Home home;
  home.produce("in", {{"a", R"({"x":1})"}, {"a", R"({"x":-1})"}, {"a", R"({})"}});
  Application app = home.application();
  auto sdf = app.dataframe(app.topic("in"));
  sdf = sdf[sdf["x"] > 0];
  sdf["s"] = sdf["x"].rolling(10s).sum();
  sdf.to_topic(app.topic("out"));
  const std::string before = app.explain();
  EXPECT_NE(before.find("rolling(\"10s\").sum()"), std::string::npos) << before;
  EXPECT_EQ(before.find("rows in"), std::string::npos) << before;
  app.run({.until_end = true});
  const std::string after = app.explain();
  EXPECT_NE(after.find("rows in 3, out 1, bad 0, late 0"), std::string::npos) << after;
}

TEST(Options, AreRefusedWhereTheyAreWritten) {
  const Home home;
  const auto with = [&](const std::function<void(ApplicationOptions&)>& change) {
    ApplicationOptions options = home.options();
    change(options);
    return refusal([&] { Application app(options); }, ErrorKind::config);
  };
  EXPECT_NE(with([](auto& o) { o.consumer_group = ""; }).find("consumer_group is required"),
            std::string::npos);
  EXPECT_NE(with([](auto& o) { o.consumer_group = "a b"; }).find("found \"a b\""), std::string::npos);
  EXPECT_NE(with([](auto& o) { o.consumer_group = ".."; }).find("consumer_group"), std::string::npos);
  EXPECT_NE(with([](auto& o) { o.workers = 0; }).find("workers: wanted 1 to 1024, found 0"),
            std::string::npos);
  EXPECT_NE(with([](auto& o) { o.workers = 1025; }).find("found 1025"), std::string::npos);
  EXPECT_NE(with([](auto& o) { o.commit_interval = 0ns; }).find("commit_interval"), std::string::npos);
  EXPECT_NE(with([](auto& o) { o.state_ttl = -1ns; }).find("state_ttl"), std::string::npos);
  EXPECT_NE(with([](auto& o) { o.group_lock_timeout = -1ns; }).find("group_lock_timeout"), std::string::npos);
  EXPECT_FALSE(with([](auto& o) { o.broker_address = "embedded"; }).empty());
}

TEST(Options, OfARunAndOfTopicsAreRefusedToo) {
  const Home home;
  Application app = home.application();
  refusal([&] { app.run(); }, ErrorKind::plan);
  auto sdf = app.dataframe(app.topic("in"));
  sdf.to_topic(app.topic("out"));
  refusal([&] { app.run({.timeout = 0ns}); }, ErrorKind::config);
  refusal([&] { static_cast<void>(app.topic("in", {.timestamp = "t"})); }, ErrorKind::plan);
  refusal([&] { static_cast<void>(app.topic("no such name!")); }, ErrorKind::plan);
  EXPECT_EQ(app.run({.until_end = true}).rows_in, 0u);
}

}  // namespace
}  // namespace tiderace
