#include "plan/parse/parse.h"

#include <fmt/format.h>

#include "plan/plan_text.h"
#include "plan/support.h"

namespace tiderace::plan {
namespace {

std::string printed(std::string_view text) {
  const auto pipeline = Pipeline::make();
  const Frame frame = parse_plan(pipeline, text);
  std::vector<NodePtr> ends = pipeline->ends();
  if (ends.empty()) ends.push_back(frame.node());
  return plan_text(ends);
}

constexpr const char* source = "sdf = app.dataframe(app.topic(\"t\"))\n";

/// Statements over a frame `sdf` that print as they stand.
const std::vector<std::string> statements{
    R"(sdf = sdf[sdf["x"].notnull()])",
    R"(sdf["y"] = sdf["x"].abs() + 1)",
    R"(sdf["y"] = -sdf["x"] ** 2)",
    R"(sdf["y"] = (-sdf["x"]) ** -2)",
    R"(sdf["y"] = 2 - (sdf["a"] - sdf["b"]) - sdf["c"])",
    R"(sdf["y"] = sdf["a"] // 2 % 3 / 1.5)",
    R"(sdf["y"] = (sdf["a"] < 1) & (sdf["b"] >= 2) | ~(sdf["c"] == "x"))",
    R"(sdf["y"] = sdf["a"] != None)",
    R"(sdf = sdf[["a", "b"]])",
    R"(sdf = sdf.drop(columns=["a"]))",
    R"(sdf = sdf.rename(columns={"a": "b", "c": "d"}))",
    R"(sdf["y"] = tr.where(sdf["a"] > 0, sdf["a"], None))",
    R"(sdf["y"] = tr.where(True, 1, "b"))",
    R"(sdf["y"] = sdf["gps"]["lat"].round(2))",
    R"(sdf["y"] = sdf["x"].round())",
    R"(sdf["y"] = sdf["x"].round(-2))",
    R"(sdf["y"] = sdf["x"].clip(0, 1))",
    R"(sdf["y"] = sdf["x"].clip(None, sdf["z"]))",
    R"(sdf["y"] = sdf["x"].clip(0.5))",
    R"(sdf["y"] = sdf["x"].isin([1, "a", None, -2.5, True]))",
    R"(sdf["y"] = sdf["x"].isin([]))",
    R"(sdf["y"] = sdf["x"].between(-1, 1))",
    R"(sdf["y"] = sdf["x"].fillna(0).sqrt().exp().log())",
    R"(sdf["y"] = sdf["x"].astype("int64"))",
    R"(sdf["y"] = sdf["s"].str.lower().str.upper().str.len())",
    R"(sdf["y"] = sdf["s"].str.contains("^a.*\\d$"))",
    R"(sdf["y"] = sdf["s"].str.contains("a", regex=False))",
    R"(sdf["y"] = sdf["s"].str.startswith("a") | sdf["s"].str.endswith("\"b\"\n"))",
    R"(sdf["m"] = sdf["x"].rolling("10s").mean())",
    R"(sdf["m"] = sdf["x"].rolling(5).sum())",
    R"(sdf["m"] = sdf["x"].rolling("1min", grace="2s", min_periods=2, on_late="drop", name="w").std(ddof=0))",
    R"(sdf["m"] = sdf["x"].rolling("1500ms", on_late=app.topic("late", num_partitions=2)).count())",
    R"(sdf["m"] = sdf["x"].rolling(5, min_periods=0).var())",
    R"(sdf["m"] = (sdf["a"] + sdf["b"]).rolling("1d").min() * 2 - sdf["x"].rolling("1h").max())",
    R"(sdf["m"] = sdf["x"].rolling("10s").mean().rolling("1min").max())",
    R"(sdf[["m", "n"]] = sdf[["a", "b"]].rolling("10s").mean())",
    R"(sdf[["m", "n"]] = sdf[["a", "b"]].rolling(3).std(ddof=2))",
    R"(sdf["d"] = sdf["x"].diff() / sdf["t"].diff(2))",
    R"(sdf["d"] = sdf["x"].shift(2, name="before"))",
    R"(sdf["d"] = (sdf["x"] * 2).shift())",
    R"(sdf = sdf[sdf["x"] > sdf["x"].rolling("10s").mean() + 3.0 * sdf["x"].rolling("10s").std()])",
    R"(sdf["y"] = 9223372036854775807)",
    R"(sdf["y"] = -9223372036854775808)",
    R"(sdf["y"] = 1e+300 * -0.1)",
    R"(sdf["y"] = float("inf"))",
    R"(sdf["ü €"] = "日本 \u0001")",
    R"(sdf.to_topic(app.topic("alerts")))",
    R"(sdf.to_topic(app.topic("alerts"), key="rider"))",
    R"(sdf.to_topic(app.topic("alerts"), key=sdf["gps"]["cell"]))",
    R"(sdf.print())",
    R"(sdf.print(width=20, live=True))",
};

TEST(PlanText, PrintsAsItWasWritten) {
  for (const std::string& statement : statements) {
    SCOPED_TRACE(statement);
    const std::string text = source + statement + "\n";
    std::string once;
    EXPECT_NO_THROW(once = printed(text));
    EXPECT_EQ(once, text);
  }
}

TEST(PlanText, KeepsTopicOptions) {
  for (
      const char* topic : {
          R"(app.topic("t", timestamp="ts", timestamp_unit="us", max_ahead="1h", schema={"a": "int64", "b": "bool"}))",
          R"(app.topic("t", on_error="dead-letter", max_record_bytes=1000, max_depth=5))",
          R"(app.topic("t", num_partitions=4, replication_factor=3, retention_ms=1000, retention_bytes=2000))",
      }) {
    const std::string text = fmt::format("sdf = app.dataframe({})\n", topic);
    EXPECT_EQ(printed(text), text);
  }
}

TEST(PlanText, TakesWhatPythonTakes) {
  EXPECT_EQ(printed("# a comment\n\n"
                    "topic = app.topic('t')  # another\n"
                    "sdf = app.dataframe(topic)\n"
                    "mean = sdf['x'].rolling(\n    '60s',\n    min_periods=1,\n).mean()\n"
                    "sdf['m'] = mean + +sdf['x']\n"
                    "sdf['n'] = sdf['s'].str.contains(r'\\d').fillna(value=False)\n"),
            std::string(source) +
                "sdf[\"m\"] = sdf[\"x\"].rolling(\"1min\").mean() + sdf[\"x\"]\n"
                "sdf[\"n\"] = sdf[\"s\"].str.contains(\"\\\\d\").fillna(False)\n");
}

TEST(PlanText, BranchesBeginAgain) {
  const std::string text = std::string(source) +
                           "sdf[\"y\"] = sdf[\"x\"] * 2\n"
                           "sdf.to_topic(app.topic(\"all\"))\n"
                           "sdf = sdf[sdf[\"y\"] > 1]\n"
                           "sdf.to_topic(app.topic(\"large\"))\n" +
                           source +
                           "sdf[\"y\"] = sdf[\"x\"] * 2\n"
                           "sdf = sdf[sdf[\"y\"] < 0]\n"
                           "sdf.to_topic(app.topic(\"negative\"))\n";
  EXPECT_EQ(printed(text), text);
  const auto pipeline = Pipeline::make();
  parse_plan(pipeline, text);
  EXPECT_EQ(explain_plan(pipeline->ends()),
            "  1  sdf = app.dataframe(app.topic(\"t\"))\n"
            "  2  sdf[\"y\"] = sdf[\"x\"] * 2\n"
            "  3  sdf.to_topic(app.topic(\"all\"))\n"
            "  4  sdf = sdf[sdf[\"y\"] > 1]\n"
            "  5  sdf.to_topic(app.topic(\"large\"))\n"
            "   after step 2:\n"
            "  6  sdf = sdf[sdf[\"y\"] < 0]\n"
            "  7  sdf.to_topic(app.topic(\"negative\"))\n");
}

TEST(PlanText, SeveralVariablesAreSeveralFrames) {
  const auto pipeline = Pipeline::make();
  const Frame sdf = parse_plan(pipeline, std::string(source) +
                                             "high = sdf[sdf[\"x\"] > 1]\n"
                                             "high[\"y\"] = high[\"x\"] + sdf[\"z\"]\n"
                                             "high.print()\n");
  EXPECT_TRUE(steps(sdf.node()).empty());
  EXPECT_EQ(steps(pipeline->ends()[0]).size(), 3u);
}

struct Mistake {
  std::string text;  ///< after the source, on line 2
  std::string message;
};

TEST(PlanText, MistakesSayWhereAndWhat) {
  const std::vector<Mistake> mistakes{
      {"sdf[\"y\"] = ", "line 2, column 12: wanted a value, found the end of the line"},
      {"sdf[\"y\"] = sdf[\"x\"].nope()", "column 21: a column has no method nope; there are"},
      {"sdf[\"y\"] = xdf[\"x\"]", "column 12: there is no variable `xdf` here"},
      {"sdf[\"y\"] = 1 < sdf[\"x\"] < 3", "comparisons do not chain"},
      {"sdf[\"y\"] = sdf[\"x\"] and sdf[\"z\"]", "wanted &, |, ~"},
      {"sdf[\"y\"] = \"abc", "the string does not end on its line"},
      {"sdf[\"y\"] = (1", "a bracket is not closed"},
      {"sdf[\"y\"] = 1)", "\")\" closes nothing"},
      {"sdf[\"y\"] = 99999999999999999999", "beyond int64"},
      {"sdf[\"y\"] = 1e999", "no double"},
      {"sdf[\"y\"] = 007", "does not begin with 0"},
      {"sdf[\"y\"] = 1x", "wanted an operator after the number 1"},
      {"sdf[\"y\"] = \"\\q\"", "wanted one of the escapes"},
      {"sdf[\"y\"] = \"\\ud800\"", "stands for no character"},
      {"sdf[\"y\"] = \"\xff\"", "not UTF-8"},
      {"sdf[\"y\"] = sdf", "wanted one column, found a frame"},
      {"sdf[\"y\"] = sdf[\"x\"].rolling(\"10s\")", "found a rolling window; call .mean()"},
      {"sdf[\"y\"] = sdf[\"x\"].rolling(\"10s\", graze=\"1s\").mean()", ".rolling has no argument graze="},
      {"sdf[\"y\"] = sdf[\"x\"].rolling().mean()", ".rolling: window= is missing"},
      {"sdf[\"y\"] = sdf[\"x\"].round(1, 2)", ".round takes 1 arguments without a name, found 2"},
      {"sdf[\"y\"] = sdf[\"x\"].round(decimals=1, decimals=2)", "decimals= is given twice"},
      {"sdf[\"y\"] = sdf[\"x\"].round(\"a\")", "wanted a whole number of decimals, found \"a\""},
      {"sdf[5] = 1", "wanted the column's name as a string"},
      {"app[\"x\"] = 1", "app is none"},
      {"app = 5", "app is reserved"},
      {"other = sdf", "one frame under two names"},
      {"sdf[\"x\"]", "the line does nothing"},
      {"  sdf[\"x\"] = 1", "found white space"},
      {"sdf[\"y\"] = 1 $ 2", "found the character \"$\""},
      {"sdf[\"y\"] = sdf[\"x\"] sdf[\"z\"]", "wanted the end of the line"},
      {"sdf.apply(5)", "functions have no plan text"},
      {"sdf.to_topic(\"alerts\")", "wanted a topic, as app.topic(\"name\"), found \"alerts\""},
      {"sdf[\"y\"] = sdf + 1", "wanted columns or constants on both sides of +, found a frame"},
      {"sdf[\"y\"] = sdf[\"x\"](1)", "a column cannot be called"},
      {"t = app.topic(\"u\", on_error=\"ignore\")",
       "wanted on_error= as \"stop\", \"skip\" or \"dead-letter\""},
      {"t = app.topic(\"u\", num_partitions=99999999999)", "wanted num_partitions= up to"},
      {"sdf[\"y\"] = sdf[\"x\"].rolling(0).mean()",
       "plan text line 2: sdf[\"x\"].rolling(0): the window must be 1 row or more"},
  };
  for (const Mistake& wrong : mistakes) {
    SCOPED_TRACE(wrong.text);
    const std::string message = mistake([&] { printed(source + wrong.text + "\n"); });
    expect_contains(message, "plan text line 2");
    expect_contains(message, wrong.message);
  }
  expect_contains(mistake([] { printed("# nothing\n"); }), "makes no frame");
}

TEST(PlanText, NestingAndSizeAreLimited) {
  const auto many = [](const std::string& text, int count) {
    std::string out;
    for (int i = 0; i < count; ++i) out += text;
    return out;
  };
  expect_contains(
      mistake([&] {
        printed(source + ("sdf[\"y\"] = " + many("(", 100'000)) + "1" + many(")", 100'000) + "\n");
      }),
      "nested");
  expect_contains(mistake([&] { printed(source + ("sdf[\"y\"] = " + many("-", 100'000)) + "sdf[\"x\"]\n"); }),
                  "nested");
  expect_contains(mistake([&] { printed(source + ("sdf[\"y\"] = 2" + many(" ** 2", 100'000)) + "\n"); }),
                  "nested");
  expect_contains(mistake([&] { printed(source + ("sdf[\"y\"] = 1" + many(" + 1", 100'000)) + "\n"); }),
                  "too large");
  expect_contains(mistake([&] {
                    std::string text = source + std::string("a = sdf[\"x\"]\n");
                    text += many("a = a + a\n", 60);
                    printed(text);
                  }),
                  "too large");
  EXPECT_NO_THROW(printed(source + ("sdf[\"y\"] = 1" + many(" + 1", 300)) + "\n"));
}

}  // namespace
}  // namespace tiderace::plan
