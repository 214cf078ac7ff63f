#include <gtest/gtest.h>
#include <tiderace/dataframe.h>
#include <tiderace/error.h>
#include <tiderace/table.h>

#include <chrono>

#include "api/frame_access.h"
#include "columnar/function.h"
#include "plan/text.h"

namespace tiderace {
namespace {

using namespace std::chrono_literals;
using Texts = std::vector<std::string>;

struct Phone {
  std::shared_ptr<plan::Pipeline> pipeline = plan::Pipeline::make();
  StreamingDataFrame sdf = FrameAccess::make(pipeline->dataframe(pipeline->topic("phone-data")));
};

Texts steps(const StreamingDataFrame& frame) {
  Texts texts;
  for (NodePtr at = FrameAccess::of(frame).node(); at->input != nullptr; at = at->input) {
    texts.insert(texts.begin(), to_text(at->step));
  }
  return texts;
}

TEST(StreamingDataFrame, BuildsTheCrashDetector) {
  Phone phone;
  auto sdf = phone.sdf;
  sdf = sdf[sdf["gForceX"].notnull()];
  sdf["gForceTotal"] = sdf["gForceX"].abs() + sdf["gForceY"].abs() + sdf["gForceZ"].abs();
  sdf["gForceTotal-10s"] = sdf["gForceTotal"].rolling(10s).mean();
  sdf.to_topic(phone.pipeline->topic("alerts"), "rider").print();
  EXPECT_EQ(
      steps(sdf),
      (Texts{
          "sdf = sdf[sdf[\"gForceX\"].notnull()]",
          "sdf[\"gForceTotal\"] = sdf[\"gForceX\"].abs() + sdf[\"gForceY\"].abs() + sdf[\"gForceZ\"].abs()",
          "sdf[\"gForceTotal\"].rolling(\"10s\").mean()",
          "sdf[\"gForceTotal-10s\"] = sdf[\"gForceTotal\"].rolling(\"10s\").mean()"}));
  ASSERT_EQ(phone.pipeline->ends().size(), 2u);
  EXPECT_EQ(to_text(phone.pipeline->ends()[0]->step), "sdf.to_topic(app.topic(\"alerts\"), key=\"rider\")");
}

TEST(StreamingDataFrame, OnlyAssignmentChangesTheVariable) {
  Phone phone;
  const StreamingDataFrame before = phone.sdf;
  (void)phone.sdf.drop({"x"});
  EXPECT_TRUE(steps(phone.sdf).empty());
  phone.sdf["y"] = phone.sdf["x"];
  EXPECT_EQ(steps(phone.sdf), Texts{"sdf[\"y\"] = sdf[\"x\"]"});
  EXPECT_TRUE(steps(before).empty());
  auto column = phone.sdf["x"];
  column = phone.sdf["y"] + 1;
  EXPECT_EQ(column.to_string(), "sdf[\"y\"] + 1");
  EXPECT_EQ(steps(phone.sdf).size(), 1u);
}

TEST(StreamingDataFrame, SelectsAndSetsSeveralColumns) {
  Phone phone;
  auto& sdf = phone.sdf;
  sdf[{"m", "n"}] = sdf[{"a", "b"}].rolling("10s").mean();
  EXPECT_EQ(steps(sdf).size(), 3u);
  auto selected = sdf[{"a"}];
  selected = selected.rename({{"a", "c"}});
  EXPECT_EQ(steps(selected).back(), "sdf = sdf.rename(columns={\"a\": \"c\"})");
  EXPECT_EQ(steps(sdf).size(), 3u);
  const StreamingDataFrame constant = sdf;
  EXPECT_EQ(steps(constant[{"a", "b"}]).back(), "sdf = sdf[[\"a\", \"b\"]]");
}

TEST(StreamingDataFrame, SetsWhatAProjectionDoesNotHaveYet) {
  Phone phone;
  auto sdf = StreamingDataFrame(phone.sdf[{"a", "b"}]);
  sdf["c"] = sdf["a"] * 2;
  sdf[{"d", "e"}] = sdf[{"a", "b"}].rolling(3).sum();
  EXPECT_THROW((void)(sdf["z"] + 1), Error);
}

TEST(Series, OperatorsAndMethodsSpellThemselves) {
  Phone phone;
  auto& sdf = phone.sdf;
  const auto text = [](const Series& series) { return series.to_string(); };
  EXPECT_EQ(text(1 - sdf["x"] * 2.5), "1 - sdf[\"x\"] * 2.5");
  EXPECT_EQ(text((sdf["x"] >= 1) & !(sdf["y"] == "a")), "(sdf[\"x\"] >= 1) & ~(sdf[\"y\"] == \"a\")");
  EXPECT_EQ(text(where(sdf["x"] < 0, nullptr, sdf["x"] % 3)),
            "tr.where(sdf[\"x\"] < 0, None, sdf[\"x\"] % 3)");
  EXPECT_EQ(text(floor_divide(sdf["x"], 2) / pow(sdf["y"], 2)), "sdf[\"x\"] // 2 / sdf[\"y\"] ** 2");
  EXPECT_EQ(text(sdf["gps"]["lat"].clip(0, 1).round(2)), "sdf[\"gps\"][\"lat\"].clip(0, 1).round(2)");
  EXPECT_EQ(text(sdf["x"].isin({1, "a", nullptr, true})), "sdf[\"x\"].isin([1, \"a\", None, True])");
  EXPECT_EQ(text(sdf["s"].str().contains("a", false)), "sdf[\"s\"].str.contains(\"a\", regex=False)");
  EXPECT_EQ(text(sdf["x"].fillna(0).between(1, 2) | sdf["x"].isna()),
            "sdf[\"x\"].fillna(0).between(1, 2) | sdf[\"x\"].isnull()");
  EXPECT_EQ(text(-sdf["x"].astype("int64").diff().shift(2)), "-sdf[\"x\"].astype(\"int64\").diff().shift(2)");
  EXPECT_EQ(text(sdf["x"].rolling(1min, {.grace = 2s, .min_periods = 2, .on_late = LatePolicy::drop}).std(0)),
            "sdf[\"x\"].rolling(\"1min\", grace=\"2s\", min_periods=2, on_late=\"drop\").std(ddof=0)");
  EXPECT_THROW((void)sdf["x"].isin({sdf["y"]}), Error);
}

TEST(Functions, CallRowsAndValues) {
  Phone phone;
  auto& sdf = phone.sdf;
  sdf = sdf.filter([](const Row& row) { return row["x"].get<double>() > 1; });
  sdf = sdf.update([](Row& row) { row["y"] = 1; });
  sdf["z"] = sdf.apply([](const Row& row) { return row.size(); }, {.function_name = "fields"});
  sdf["w"] = sdf["z"].apply([](const Value& value) { return value; }, "same");
  sdf = sdf.apply([](const Row& row, State& state) {
    state.set("n", 1);
    return row;
  });
  EXPECT_EQ(steps(sdf),
            (Texts{"sdf = sdf.filter(function)", "sdf = sdf.update(function#2)", "sdf.apply(fields)",
                   "sdf[\"z\"] = sdf.apply(fields)", "sdf[\"z\"].apply(same)",
                   "sdf[\"w\"] = sdf[\"z\"].apply(same)", "sdf = sdf.apply(function#3, stateful=True)"}));
  const auto& filter = std::get<ApplyRow>(FrameAccess::of(sdf).node()->step);
  EXPECT_TRUE(filter.stateful);
}

TEST(Functions, CallTables) {
  Phone phone;
  auto& sdf = phone.sdf;
  const auto same = [](const Table& table) {
    if (table.column<double>("a")[0] == 0.0) throw Error(ErrorKind::plan, "zero");
    return table;
  };
  EXPECT_THROW((void)sdf.map_batches(same), Error);
  sdf["y"] = sdf[{"a"}].map_batches(same, "same");
  EXPECT_EQ(steps(sdf),
            (Texts{"sdf[[\"a\"]].map_batches(same)", "sdf[\"y\"] = sdf[[\"a\"]].map_batches(same)"}));
  const auto& step = std::get<MapBatches>(FrameAccess::of(sdf).node()->input->step);
  const std::vector<NamedColumn> input{{"a", Column::of_float64(std::vector<double>{1, 2})}};
  std::vector<NamedColumn> results;
  EXPECT_FALSE(step.function->call(input, results).has_value());
  ASSERT_EQ(results.size(), 1u);
  EXPECT_EQ(results[0].column.float64(1), 2.0);
  const std::vector<NamedColumn> zero{{"a", Column::of_float64(std::vector<double>{0})}};
  EXPECT_EQ(step.function->call(zero, results).value().message, "zero");
}

}  // namespace
}  // namespace tiderace
