// The crash detector: marks every row of a phone that is being shaken. The same program as service.py.
//
//   service [BROKER_ADDRESS [MODEL [GUARANTEE [POLL_INTERVAL]]]]
//
// Default: $TIDERACE_BROKER_ADDRESS, else the embedded log; shaking.ubj; at-least-once. Given how many
// seconds are between looks, a model of a registry, as file:models/shaking@champion, changes while rows come.
#include <tiderace/tiderace.h>

#include <chrono>
#include <cstdlib>
#include <iostream>
#include <stdexcept>
#include <string>
#include <string_view>

namespace tr = tiderace;
using namespace std::chrono_literals;

int main(int argc, char** argv) try {
  const std::string_view guarantee = argc > 3 ? argv[3] : "at-least-once";
  const bool once = guarantee == "exactly-once";
  if (!once && guarantee != "at-least-once")
    throw std::invalid_argument("GUARANTEE: wanted at-least-once or exactly-once, found " +
                                std::string(guarantee));
  tr::Application app({
      .broker_address = argc > 1 ? argv[1] : "",
      .consumer_group = "crash-detector",
      .processing_guarantee =
          once ? tr::ProcessingGuarantee::exactly_once : tr::ProcessingGuarantee::at_least_once,
  });
  auto sdf = app.dataframe(app.topic("phone-data"));

  sdf = sdf[sdf["gForceX"].notnull()];
  sdf["gForceTotal"] = sdf["gForceX"].abs() + sdf["gForceY"].abs() + sdf["gForceZ"].abs();
  sdf["gForceTotal-10s"] = sdf["gForceTotal"].rolling(10s).mean();
  tr::ModelOptions model;
  if (argc > 4) {
    const int seconds = std::atoi(argv[4]);
    if (seconds < 1) throw std::invalid_argument("POLL_INTERVAL: wanted seconds, as 1");
    model.poll_interval = std::chrono::seconds(seconds);
  }
  sdf["shaking"] = tr::load_model(argc > 2 ? argv[2] : "shaking.ubj", model)
                       .predict(sdf[{"gForceTotal", "gForceTotal-10s"}]);

  sdf.to_topic(app.topic("alerts"));
  std::cout << app.run().to_string() << '\n';
} catch (const std::exception& error) {
  std::cerr << error.what() << '\n';
  return 1;
}
