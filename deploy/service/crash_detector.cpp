// The crash detector as a container runs it: the pipeline of the example, and what a deployment sets of it.
// crash_detector.py is the same program, and says where its settings come from.
#include <tiderace/tiderace.h>

#include <charconv>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <iostream>
#include <map>
#include <string>
#include <string_view>

namespace tr = tiderace;
using namespace std::chrono_literals;

namespace {

struct Settings {
  tr::ApplicationOptions application{.consumer_group = "crash-detector",
                                     .processing_guarantee = tr::ProcessingGuarantee::exactly_once,
                                     .state_dir = "/state",
                                     .metrics_port = 9464};
  std::string model = "/app/shaking.ubj";
  int partitions = 4;
};

[[noreturn]] void refuse(const std::string& message) {
  std::cerr << "crash_detector: " << message << '\n';
  std::exit(2);
}

int number(std::string_view option, std::string_view text) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) {
    refuse(std::string(option) + ": wanted a number, found \"" + std::string(text) + "\"");
  }
  return value;
}

/// Options as `--name value` and `--name=value`.
Settings settings(int argc, char** argv) {
  Settings found;
  tr::ApplicationOptions& application = found.application;
  using Set = std::function<void(std::string_view option, const std::string& value)>;
  const std::map<std::string_view, Set> options = {
      {"--model", [&](auto, const auto& value) { found.model = value; }},
      {"--partitions", [&](auto name, const auto& value) { found.partitions = number(name, value); }},
      {"--workers", [&](auto name, const auto& value) { application.workers = number(name, value); }},
      {"--state-dir", [&](auto, const auto& value) { application.state_dir = value; }},
      {"--standby-replicas",
       [&](auto name, const auto& value) { application.standby_replicas = number(name, value); }},
      {"--metrics-port",
       [&](auto name, const auto& value) { application.metrics_port = number(name, value); }},
      {"--group-instance-id", [&](auto, const auto& value) { application.group_instance_id = value; }},
      {"--session-timeout-ms",
       [&](auto name, const auto& value) {
         application.consumer_config["session.timeout.ms"] = std::to_string(number(name, value));
       }},
  };
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    const auto equals = word.find('=');
    const std::string_view name = word.substr(0, equals);
    const auto option = options.find(name);
    if (option == options.end()) refuse("unknown option " + std::string(name));
    if (equals == std::string_view::npos && i + 1 == argc) refuse(std::string(name) + ": wants a value");
    option->second(name, std::string(equals == std::string_view::npos ? argv[++i] : word.substr(equals + 1)));
  }
  return found;
}

}  // namespace

int main(int argc, char** argv) try {
  const Settings given = settings(argc, argv);
  tr::Application app(given.application);
  auto sdf = app.dataframe(app.topic("phone-data", {.num_partitions = given.partitions}));

  sdf = sdf[sdf["gForceX"].notnull()];
  sdf["gForceTotal"] = sdf["gForceX"].abs() + sdf["gForceY"].abs() + sdf["gForceZ"].abs();
  sdf["gForceTotal-10s"] = sdf["gForceTotal"].rolling(10s).mean();
  sdf["shaking"] = tr::load_model(given.model).predict(sdf[{"gForceTotal", "gForceTotal-10s"}]);

  sdf.to_topic(app.topic("alerts", {.num_partitions = given.partitions}));
  std::cout << app.run().to_string() << std::endl;
} catch (const tr::Error& error) {
  std::cerr << error.what() << '\n';
  return 1;
}
