// What ./dev bench growth measures.
//
//   growth_job mean|sum|last NUMBER BROKERS IN OUT GROUP STATE_DIR WORKERS MAX_STATE_MB METRICS_PORT
//     mean: of the key's last NUMBER seconds; sum: of the sizes of NUMBER columns, `c0` and so on; last:
//     whether the key has had a row before, whose text `note` is kept.

#include <tiderace/tiderace.h>

#include <chrono>
#include <iostream>
#include <string>
#include <vector>

namespace tr = tiderace;

int main(int argc, char** argv) try {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  if (arguments.size() != 10) {
    std::cerr << "usage: growth_job mean|sum|last NUMBER BROKERS IN OUT GROUP STATE_DIR WORKERS MAX_STATE_MB "
                 "METRICS_PORT\n";
    return 2;
  }
  const std::string& job = arguments[0];
  const int number = std::stoi(arguments[1]);
  tr::Application app({.broker_address = arguments[2],
                       .consumer_group = arguments[5],
                       .state_dir = arguments[6],
                       .workers = std::stoi(arguments[7]),
                       .max_state_memory = std::stoull(arguments[8]) << 20,
                       .metrics_port = std::stoi(arguments[9]),
                       .metrics_address = "127.0.0.1"});
  auto sdf = app.dataframe(app.topic(arguments[3], {.timestamp = "timestamp"}));
  if (job == "mean") {
    sdf["mean"] = sdf["speed"].rolling(std::chrono::seconds(number)).mean();
  } else if (job == "sum") {
    auto sum = sdf["c0"].abs();
    for (int i = 1; i < number; ++i) sum = sum + sdf["c" + std::to_string(i)].abs();
    sdf["sum"] = sum;
  } else {
    sdf["last"] = sdf["note"].shift();
    sdf["known"] = sdf["last"].notnull();
    sdf = sdf.drop({"note", "last"});  // what is kept is large, not what is written
  }
  sdf.to_topic(app.topic(arguments[4]));
  app.run();
} catch (const tr::Error& error) {
  std::cerr << error.what() << '\n';
  return 1;
}
