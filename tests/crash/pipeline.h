#pragma once

#include <tiderace/tiderace.h>

namespace crash {

/// What the service does to the rows of `phone-data`: the crash detector's features, and steps with the other
/// kinds of state.
inline tiderace::StreamingDataFrame pipeline(tiderace::Application& app) {
  auto sdf = app.dataframe(app.topic("phone-data", {.timestamp = "timestamp", .num_partitions = 3}));
  sdf = sdf[sdf["gForceX"].notnull()];
  sdf["gForceTotal"] = sdf["gForceX"].abs() + sdf["gForceY"].abs();
  sdf["mean"] = sdf["gForceTotal"].rolling("10s").mean();
  sdf["most"] = sdf["gForceTotal"].rolling(7, {.min_periods = 1}).max();
  sdf["change"] = sdf["gForceTotal"].diff();
  sdf = sdf.update(
      [](tiderace::Row& row, tiderace::State& state) {
        const std::int64_t seen = state.get("seen", 0).get<std::int64_t>() + 1;
        state.set("seen", seen);
        row["seen"] = seen;
      },
      {.function_name = "count_rows"});
  return sdf;
}

}  // namespace crash
