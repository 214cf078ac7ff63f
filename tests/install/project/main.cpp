#include <tiderace/tiderace.h>

#include <cstdio>

namespace tr = tiderace;

/// Writes rows to an embedded log in `directory`, runs a pipeline over them twice, and backtests it.
static bool application_works(const std::string& directory) {
  tr::Application app({.broker_address = "embedded:" + directory, .consumer_group = "outside"});
  auto sdf = app.dataframe(app.topic("numbers"));
  sdf = sdf[sdf["x"].notnull()];
  sdf["sum"] = sdf["x"].rolling("10s").sum();
  sdf = sdf.update([](tr::Row& row, tr::State& state) {
    state.set("seen", state.get("seen", 0).get<std::int64_t>() + 1);
    row["seen"] = state.get("seen");
  });
  sdf.to_topic(app.topic("sums"));
  for (std::uint64_t run = 1; run <= 2; ++run) {
    {
      auto producer = app.get_producer();
      producer.produce({.topic = "numbers", .key = "a", .value = R"({"x": 1})", .timestamp = 1});
      producer.produce({.topic = "numbers", .key = "a", .value = R"({"y": 1})", .timestamp = 1});
    }
    const tr::Summary summary = app.run({.until_end = true});
    if (summary.rows_in != 2 || summary.rows_out != 1 || summary.filtered != 1) return false;
  }
  const tr::Table rows({{"k", std::vector<std::string>{"a", "a"}},
                        {"t", std::vector<std::int64_t>{1, 2}},
                        {"x", std::vector<double>{1, 2}}});
  const tr::Table result = sdf.backtest(rows, {.key = "k", .timestamp = "t"});
  return result.column<double>("sum")[1] == 3.0 && result.column<std::int64_t>("seen")[1] == 2;
}

int main(int argc, char** argv) {
  try {
    throw tr::Error(tr::BadRow{.step = "step 1", .topic = "t", .offset = 7, .message = "found it"});
  } catch (const tr::Error& error) {
    if (error.bad_row()->to_string() != error.what()) return 1;
  }
  if (argc < 2) return 2;
  std::puts(application_works(argv[1]) ? "sound" : "the application gives other rows");
}
