#include "plan/offset.h"
#include "plan/parse/parse.h"
#include "plan/support.h"

namespace tiderace::plan {
namespace {

struct Mistake {
  std::string text;  ///< after a source whose columns id (int64) and name (string) are declared
  std::string message;
};

class PlanMistake : public testing::TestWithParam<Mistake> {};

TEST_P(PlanMistake, FailsWhenTheStepIsBuilt) {
  const std::string source =
      "sdf = app.dataframe(app.topic(\"t\", schema={\"id\": \"int64\", \"name\": \"string\"}))\n";
  const std::string message = mistake([&] { parse_plan(Pipeline::make(), source + GetParam().text + "\n"); });
  expect_contains(message, GetParam().message);
}

const std::vector<Mistake> mistakes{
    // Columns that cannot be there.
    {"sdf = sdf[[\"a\", \"b\"]]\nsdf[\"y\"] = sdf[\"c\"]",
     "there is no column \"c\" after `sdf = sdf[[\"a\", \"b\"]]`: the columns are \"a\", \"b\""},
    {"sdf = sdf[[\"a\"]]\nsdf[\"y\"] = sdf[\"gps\"][\"lat\"]", "there is no column \"gps\" after"},
    {"sdf = sdf[[\"a\"]]\nsdf = sdf[[\"a\", \"b\"]]", "sdf = sdf[[\"a\", \"b\"]]: there is no column \"b\""},
    {"sdf = sdf[[\"a\"]]\nsdf = sdf.drop(columns=[\"b\"])", "there is no column \"b\""},
    {"sdf = sdf.drop(columns=[\"a\"])\nsdf[\"y\"] = sdf[\"a\"]",
     "`sdf = sdf.drop(columns=[\"a\"])` took it away"},
    {"sdf = sdf.drop(columns=[\"a\"])\nsdf = sdf.drop(columns=[\"a\"])", "took it away"},
    {"sdf = sdf.rename(columns={\"a\": \"b\"})\nsdf[\"y\"] = sdf[\"a\"]", "took it away"},
    {"sdf = sdf[[\"a\", \"b\"]]\nsdf = sdf.rename(columns={\"a\": \"b\"})",
     "two columns would be called \"b\""},
    {"sdf = sdf[[\"a\", \"a\"]]", "column \"a\" stands twice"},
    {"sdf = sdf[[]]", "name at least one column"},
    {"sdf[\"y\"] = sdf[\"id\"][\"x\"]", "column \"id\" holds int64, wanted an object"},
    {"sdf[\"y\"] = (sdf[\"a\"] + 1)[\"x\"]", "only columns have fields"},
    {"sdf = sdf[[\"a\"]]\nsdf.to_topic(app.topic(\"out\"), key=\"b\")", "there is no column \"b\""},
    {"sdf[\"__tiderace_x\"] = 1", "reserved"},
    // Kinds that cannot work.
    {"sdf[\"y\"] = sdf[\"name\"] + 1", "wanted a number"},
    {"sdf[\"y\"] = sdf[\"name\"].rolling(\"10s\").mean()",
     "a rolling mean wants numbers, and sdf[\"name\"] holds string"},
    {"sdf[\"y\"] = sdf[\"x\"].str.lower().rolling(\"10s\").mean()", "a rolling mean wants numbers"},
    {"sdf[\"s\"] = sdf[\"x\"].astype(\"string\")\nsdf[\"y\"] = sdf[\"s\"].rolling(5).sum()",
     "a rolling sum wants numbers"},
    {"sdf[\"y\"] = sdf[\"name\"].diff()", "a difference wants numbers"},
    {"sdf[\"y\"] = sdf[\"id\"].str.lower()", "wanted a string"},
    {"sdf[\"y\"] = sdf[\"id\"] < \"a\"", "wanted two values of one kind"},
    {"sdf = sdf[sdf[\"id\"] + 1]", "a filter wants true or false"},
    {"sdf[\"y\"] = sdf[\"x\"].astype(\"datetime\")", "wanted int64, float64, string or bool"},
    // Windows.
    {"sdf[\"y\"] = sdf[\"x\"].rolling(\"0s\").mean()",
     "sdf[\"x\"].rolling(\"0s\"): the window must be longer than 0"},
    {"sdf[\"y\"] = sdf[\"x\"].rolling(\"-5s\").mean()", "the window must be longer than 0"},
    {"sdf[\"y\"] = sdf[\"x\"].rolling(0).mean()", "the window must be 1 row or more"},
    {"sdf[\"y\"] = sdf[\"x\"].rolling(-1).mean()", "the window must be 1 row or more"},
    {"sdf[\"y\"] = sdf[\"x\"].rolling(\"ten\").mean()", "\"ten\" is not a length of time"},
    {"sdf[\"y\"] = sdf[\"x\"].rolling(\"1M\").mean()",
     "Taken are a number and one of ns, us, ms, s, min, h, d"},
    {"sdf[\"y\"] = sdf[\"x\"].rolling(5, min_periods=6).mean()",
     "min_periods=6 is more than the window of 5 rows"},
    {"sdf[\"y\"] = sdf[\"x\"].rolling(5, min_periods=-1).mean()", "min_periods=-1 is negative"},
    {"sdf[\"y\"] = sdf[\"x\"].rolling(\"5s\", grace=\"-1s\").mean()", "grace=\"-1s\" is negative"},
    {"sdf[\"y\"] = sdf[\"x\"].rolling(5, grace=\"1s\").mean()", "grace= is for windows over time"},
    {"sdf[\"y\"] = sdf[\"x\"].rolling(5, on_late=\"drop\").mean()", "on_late= is for windows over time"},
    {"sdf[\"y\"] = sdf[\"x\"].rolling(5).std(ddof=-1)", "ddof=-1: wanted 0 or more"},
    {"sdf[\"y\"] = sdf[\"x\"].rolling(5, name=\"rolling(5, x)\").mean()", "those of steps without a name"},
    {"sdf[\"y\"] = sdf[\"x\"].shift(-1)", "a stream cannot look at rows that are still to come (pandas can)"},
    {"sdf[\"y\"] = sdf[\"x\"].diff(-2)", "sdf[\"x\"].diff(-2): a stream cannot look"},
    {"sdf = sdf.rolling(\"10s\").mean()", "select them first, for example sdf[[\"a\", \"b\"]]"},
    // Series of another frame.
    {"m = sdf[\"x\"].rolling(5).mean()\nsdf = sdf[sdf[\"x\"] > 0]\nsdf[\"m\"] = m",
     "this is another frame; write it again"},
    {"s = sdf[\"x\"] + 1\nsdf[\"x\"] = 2\nsdf[\"y\"] = s", "sdf[\"x\"] is not the same in this frame"},
    {"u = app.dataframe(app.topic(\"u\"))\nsdf[\"y\"] = u[\"x\"]",
     "sdf[\"x\"] is not the same in this frame"},
    {"sdf[[\"b\", \"a\"]] = sdf[[\"a\", \"b\"]]", "which the same statement assigns"},
    {"sdf[[\"m\"]] = sdf[[\"a\", \"b\"]]", "wanted 1 columns, found 2"},
    // States.
    {"sdf[\"a\"] = sdf[\"x\"].rolling(5).mean()\nsdf = sdf[sdf[\"x\"] > 0]\nsdf[\"b\"] = "
     "sdf[\"x\"].rolling(5).mean()",
     "with name="},
    {"sdf[\"a\"] = sdf[\"x\"].diff()\nsdf[\"x\"] = 1\nsdf[\"b\"] = sdf[\"x\"].diff()",
     "its state is called `diff(1, x)`"},
    {"sdf[\"a\"] = sdf[\"x\"].rolling(5, name=\"w\").mean() + sdf[\"x\"].rolling(6, name=\"w\").mean()",
     "called `w`"},
    // Topics.
    {"u = app.topic(\"u\")\nv = app.topic(\"u\", timestamp=\"t\")",
     "asked for before with other options, as app.topic(\"u\")"},
    {"u = app.topic(\"no spaces\")", "a topic's name is 1 to 249 of the characters"},
    {"u = app.topic(\"__tiderace\")", "reserved"},
    {"u = app.topic(\"u\", schema={\"x\": \"int32\"})", "taken are int64, float64, string, bool"},
    {"u = app.topic(\"u\", num_partitions=0)", "num_partitions=0; wanted at least 1"},
    {"u = app.topic(\"u\", timestamp=\"x\", schema={\"x\": \"bool\"})", "is declared bool"},
    {"u = app.topic(\"u\", value_deserializer=\"avro\")", "taken is \"json\""},
    {"sdf.print(width=0)", "wanted 1 to 1000"},
};

INSTANTIATE_TEST_SUITE_P(Table, PlanMistake, testing::ValuesIn(mistakes));

TEST(TableSchema, ChecksAPlanOverTheColumnsOfATable) {
  const auto pipeline = Pipeline::make();
  const Frame sdf =
      parse_plan(pipeline, "sdf = app.dataframe(app.topic(\"t\"))\nsdf[\"y\"] = sdf[\"x\"] + 1\n");
  Schemas good(std::vector<TableColumn>{{"x", mask_of(Kind::int64)}, {"z"}});
  EXPECT_EQ(good.of(sdf.node())->columns(), (std::vector<std::string>{"x", "z", "y"}));
  EXPECT_TRUE(good.of(sdf.node())->closed());
  Schemas missing(std::vector<TableColumn>{{"z"}});
  expect_contains(mistake([&] { (void)missing.of(sdf.node()); }),
                  "sdf[\"y\"] = sdf[\"x\"] + 1: there is no column \"x\" after `reading the table`");
  Schemas text(std::vector<TableColumn>{{"x", mask_of(Kind::string)}});
  expect_contains(mistake([&] { (void)text.of(sdf.node()); }), "wanted a number");
}

}  // namespace
}  // namespace tiderace::plan
