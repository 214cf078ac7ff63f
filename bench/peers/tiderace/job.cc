// The jobs of ./dev bench peers, in C++.
//
//   peers_tiderace stateless|mean BROKERS IN OUT GROUP GUARANTEE STATE_DIR

#include <tiderace/tiderace.h>

#include <chrono>
#include <iostream>
#include <string>
#include <vector>

namespace tr = tiderace;
using namespace std::chrono_literals;

int main(int argc, char** argv) try {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  if (arguments.size() != 7) {
    std::cerr << "usage: peers_tiderace stateless|mean BROKERS IN OUT GROUP GUARANTEE STATE_DIR\n";
    return 2;
  }
  tr::Application app({.broker_address = arguments[1],
                       .consumer_group = arguments[4],
                       .processing_guarantee = arguments[5] == "exactly-once"
                                                   ? tr::ProcessingGuarantee::exactly_once
                                                   : tr::ProcessingGuarantee::at_least_once,
                       .state_dir = arguments[6]});
  auto sdf = app.dataframe(app.topic(arguments[2], {.timestamp = "timestamp"}));
  sdf = sdf[sdf["gForceX"].notnull()];
  sdf["gForceTotal"] = sdf["gForceX"].abs() + sdf["gForceY"].abs() + sdf["gForceZ"].abs();
  if (arguments[0] == "mean") sdf["gForceTotal-10s"] = sdf["gForceTotal"].rolling(10s).mean();
  sdf.to_topic(app.topic(arguments[3]));
  app.run();
} catch (const tr::Error& error) {
  std::cerr << error.what() << '\n';
  return 1;
}
