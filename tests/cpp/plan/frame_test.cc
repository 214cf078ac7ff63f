#include "plan/frame.h"

#include "plan/offset.h"
#include "plan/support.h"

namespace tiderace::plan {
namespace {

using Texts = std::vector<std::string>;

Series rolling_mean(const Series& series, std::string_view window) {
  return series.rolling(Window::of_text(window)).aggregate(Aggregate::mean);
}
Series greater(const Series& left, const Series& right) {
  return left.binary(BinaryOperator::greater, right);
}
Series plus(const Series& left, const Series& right) {
  return left.binary(BinaryOperator::add, right);
}
Scalar number(std::int64_t value) {
  return Scalar{value};
}

TEST(Frame, StepsFollowEachOther) {
  Phone phone;
  Frame sdf = phone.sdf.filter(phone.sdf.column("x").unary(UnaryOperator::not_null));
  sdf = sdf.assign("y", plus(sdf.column("x").unary(UnaryOperator::absolute), number(1)));
  sdf = sdf.drop({"x"}).rename({{"y", "z"}}).project({"z"});
  EXPECT_EQ(steps(sdf.node()), (Texts{"sdf = sdf[sdf[\"x\"].notnull()]", "sdf[\"y\"] = sdf[\"x\"].abs() + 1",
                                      "sdf = sdf.drop(columns=[\"x\"])",
                                      "sdf = sdf.rename(columns={\"y\": \"z\"})", "sdf = sdf[[\"z\"]]"}));
}

TEST(Frame, IsAValue) {
  Phone phone;
  const Frame before = phone.sdf;
  const Frame after = phone.sdf.assign("y", number(1));
  EXPECT_NE(before.node(), after.node());
  EXPECT_EQ(before.node(), phone.sdf.node());
}

TEST(Frame, EqualStepsAreOneNode) {
  Phone phone;
  const auto build = [&] { return phone.sdf.filter(greater(phone.sdf.column("x"), number(0))).node(); };
  EXPECT_EQ(build(), build());
  EXPECT_EQ(phone.pipeline->dataframe(phone.topic).node(), phone.sdf.node());
}

TEST(Rolling, ComputesAHiddenColumnNamedByItsText) {
  Phone phone;
  const Frame sdf = phone.sdf.assign("m", rolling_mean(phone.sdf.column("x"), "10s"));
  EXPECT_EQ(steps(sdf.node()),
            (Texts{"sdf[\"x\"].rolling(\"10s\").mean()", "sdf[\"m\"] = sdf[\"x\"].rolling(\"10s\").mean()"}));
  const Rolling& rolling = std::get<Rolling>(sdf.node()->input->step);
  EXPECT_EQ(rolling.state_name, "rolling(\"10s\", x, grace=0)");
  EXPECT_EQ(rolling.window, 10'000'000'000);
  EXPECT_EQ(rolling.outputs[0].name, "sdf[\"x\"].rolling(\"10s\").mean()");
  EXPECT_TRUE(rolling.outputs[0].hidden);
}

TEST(Rolling, TheSameTextTwiceIsComputedOnce) {
  Phone phone;
  Series mean = rolling_mean(phone.sdf.column("x"), "10s");
  Frame sdf = phone.sdf.assign("a", plus(mean, rolling_mean(phone.sdf.column("x"), "10000ms")));
  EXPECT_EQ(steps(sdf.node()).size(), 2u);
  sdf = sdf.assign("b", rolling_mean(sdf.column("x"), "10s"));
  EXPECT_EQ(steps(sdf.node()).size(), 3u);
}

TEST(Rolling, AggregatesOfOneWindowShareAState) {
  Phone phone;
  const RollingSeries rolling = phone.sdf.column("x").rolling(Window::of_rows(5));
  const Frame sdf = phone.sdf.assign(
      "range",
      rolling.aggregate(Aggregate::max).binary(BinaryOperator::subtract, rolling.aggregate(Aggregate::min)));
  EXPECT_EQ(steps(sdf.node()),
            (Texts{"sdf[\"x\"].rolling(5).max()", "sdf[\"x\"].rolling(5).min()",
                   "sdf[\"range\"] = sdf[\"x\"].rolling(5).max() - sdf[\"x\"].rolling(5).min()"}));
  EXPECT_EQ(std::get<Rolling>(sdf.node()->input->step).state_name,
            std::get<Rolling>(sdf.node()->input->input->step).state_name);
  EXPECT_EQ(std::get<Rolling>(sdf.node()->input->step).min_periods, 5);
}

TEST(Rolling, LateRowsAreTakenOutOncePerState) {
  Phone phone;
  RollingOptions options;
  options.on_late = DropLate{};
  const RollingSeries rolling = phone.sdf.column("x").rolling(Window::of_text("10s"), options);
  Frame sdf = phone.sdf.assign("a", rolling.aggregate(Aggregate::max));
  sdf = sdf.assign("b", sdf.column("x").rolling(Window::of_text("10s"), options).aggregate(Aggregate::min));
  EXPECT_EQ(steps(sdf.node()).size(), 4u);
}

TEST(Rolling, TakesExpressionsThroughAHiddenColumn) {
  Phone phone;
  const Frame sdf =
      phone.sdf.assign("m", rolling_mean(plus(phone.sdf.column("a"), phone.sdf.column("b")), "1min"));
  EXPECT_EQ(steps(sdf.node()),
            (Texts{"sdf[\"a\"] + sdf[\"b\"]", "(sdf[\"a\"] + sdf[\"b\"]).rolling(\"1min\").mean()",
                   "sdf[\"m\"] = (sdf[\"a\"] + sdf[\"b\"]).rolling(\"1min\").mean()"}));
}

TEST(Rolling, OverSeveralColumnsIsOneStep) {
  Phone phone;
  const Frame means =
      phone.sdf.project({"a", "b"}).rolling(Window::of_text("10s")).aggregate(Aggregate::mean);
  const Frame sdf = phone.sdf.assign(std::vector<std::string>{"m", "n"}, means);
  ASSERT_EQ(steps(sdf.node()).size(), 3u);
  const Rolling& rolling = std::get<Rolling>(sdf.node()->input->input->step);
  EXPECT_EQ(rolling.columns.size(), 2u);
  EXPECT_EQ(rolling.state_name, "rolling(\"10s\", [a, b], grace=0)");
  EXPECT_EQ(to_text(sdf.node()->step), "sdf[\"n\"] = sdf[[\"a\", \"b\"]].rolling(\"10s\").mean()[\"b\"]");
  EXPECT_EQ(means.schema()->columns(), (Texts{"a", "b"}));
  const Frame projected = phone.sdf.project({"a", "b"});
  EXPECT_NO_THROW(
      (void)projected.assign(std::vector<std::string>{"m", "n"},
                             projected.rolling(Window::of_text("10s")).aggregate(Aggregate::mean)));
}

TEST(Series, StatelessMayBeUsedWhileItsColumnsAreUnchanged) {
  Phone phone;
  const Series sum = plus(phone.sdf.column("x"), number(1));
  Frame sdf = phone.sdf.filter(greater(phone.sdf.column("x"), number(0))).assign("y", number(2));
  EXPECT_NO_THROW((void)sdf.assign("z", sum));
  EXPECT_NO_THROW((void)sdf.assign("z", plus(sum, sdf.column("y"))));
  sdf = sdf.assign("x", number(3));
  expect_contains(mistake([&] { (void)sdf.assign("z", sum); }), "sdf[\"x\"] is not the same in this frame");
}

TEST(Series, StatefulIsOfTheFrameThatItWasTakenFrom) {
  Phone phone;
  const Series mean = rolling_mean(phone.sdf.column("x"), "10s");
  const Frame filtered = phone.sdf.filter(greater(phone.sdf.column("x"), number(0)));
  expect_contains(
      mistake([&] { (void)filtered.assign("m", mean); }),
      "sdf[\"x\"].rolling(\"10s\").mean(): it depends on the rows of the frame that it was taken from");
  expect_contains(mistake([&] { (void)plus(mean, rolling_mean(filtered.column("x"), "10s")); }),
                  "write it again on this frame");
  EXPECT_NO_THROW((void)filtered.assign("m", rolling_mean(filtered.column("x"), "10s")));
}

TEST(State, TheSameNameOverOtherRowsAsksForAName) {
  Phone phone;
  Frame sdf = phone.sdf.assign("a", rolling_mean(phone.sdf.column("x"), "10s"));
  const Frame filtered = sdf.filter(greater(sdf.column("x"), number(0)));
  expect_contains(mistake([&] { (void)filtered.assign("b", rolling_mean(filtered.column("x"), "10s")); }),
                  "name of its own with name=");
  const Frame changed = sdf.assign("x", number(1));
  expect_contains(mistake([&] {
                    (void)changed.assign("b", changed.column("x").diff().shift());
                    (void)rolling_mean(changed.column("x"), "10s");
                  }),
                  "rolling(\"10s\", x, grace=0)");
  RollingOptions named;
  named.name = "after the filter";
  EXPECT_NO_THROW((void)filtered.assign(
      "b", filtered.column("x").rolling(Window::of_text("10s"), named).aggregate(Aggregate::mean)));
}

TEST(State, BranchesMustNotShareANameOverOtherRows) {
  Phone phone;
  const Frame positive = phone.sdf.filter(greater(phone.sdf.column("x"), number(0)));
  positive.assign("m", rolling_mean(positive.column("x"), "10s")).print();
  const Frame all = phone.sdf.assign("m", rolling_mean(phone.sdf.column("x"), "10s"));
  expect_contains(mistake([&] { all.print(); }), "in another branch");
}

TEST(Pipeline, WarnsOfFramesThatNobodyUses) {
  Phone phone;
  const Frame sdf = phone.sdf.assign("y", number(1));
  EXPECT_EQ(phone.pipeline->unused(), std::vector<NodePtr>{sdf.node()});
  sdf.to_topic(phone.pipeline->topic("out"));
  EXPECT_TRUE(phone.pipeline->unused().empty());
  (void)sdf.project({"y"}).rolling(Window::of_rows(2));
  EXPECT_TRUE(phone.pipeline->unused().empty());
  const Frame more = sdf.assign("z", number(1));
  EXPECT_EQ(phone.pipeline->unused(), std::vector<NodePtr>{more.node()});
}

TEST(Pipeline, OneTopicHasOneSetOfOptions) {
  Phone phone({.timestamp = "t"});
  EXPECT_EQ(phone.pipeline->topic("phone-data", {.timestamp = "t"}), phone.topic);
  expect_contains(mistake([&] { phone.pipeline->topic("phone-data"); }),
                  "asked for before with other options");
}

TEST(Offset, FollowsPandas) {
  EXPECT_EQ(parse_offset("500ms"), 500'000'000);
  EXPECT_EQ(parse_offset("10s"), 10'000'000'000);
  EXPECT_EQ(parse_offset("5min"), 300'000'000'000);
  EXPECT_EQ(parse_offset("1h30min"), 5'400'000'000'000);
  EXPECT_EQ(parse_offset("2D"), 172'800'000'000'000);
  EXPECT_EQ(parse_offset("1d"), 86'400'000'000'000);
  EXPECT_EQ(parse_offset("1.5s"), 1'500'000'000);
  EXPECT_EQ(parse_offset(".5s"), 500'000'000);
  EXPECT_EQ(parse_offset("s"), 1'000'000'000);
  EXPECT_EQ(parse_offset("-3us"), -3'000);
  EXPECT_EQ(parse_offset("7ns"), 7);
  for (const char* text :
       {"", " ", "10", "10x", "1M", "1.5ns", "ten seconds", "10s!", "-", ".s", "99999999999999d", "1e3s"}) {
    expect_contains(mistake([&] { (void)parse_offset(text); }), "is not a length of time");
  }
  for (const std::int64_t length : {1LL, 1'000LL, 1'500'000'000LL, 60'000'000'000LL, 86'400'000'000'000LL}) {
    EXPECT_EQ(parse_offset(format_offset(length)), length);
  }
}

}  // namespace
}  // namespace tiderace::plan
