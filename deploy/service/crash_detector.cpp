// The crash detector as a container runs it: the pipeline of the example, and what a deployment sets of it.
// crash_detector.py is the same program, and says where its settings come from.
#include <tiderace/tiderace.h>

#include <charconv>
#include <chrono>
#include <cstdint>
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
                                     // A phone can send anything: what is no row of ours is put aside, and
                                     // the next is answered.
                                     .on_error = tr::ErrorPolicy::dead_letter,
                                     .metrics_port = 9464};
  tr::TopicOptions topic{.num_partitions = 4};
  std::string model = "/app/shaking.ubj";
  tr::ModelOptions model_options;
  std::string database;
  tr::PostgresSinkOptions table{.table = "telemetry", .key_column = "rider", .event_time_column = "at"};
};

[[noreturn]] void refuse(const std::string& message) {
  std::cerr << "crash_detector: " << message << '\n';
  std::exit(2);
}

template <class Number = int>
Number number(std::string_view option, std::string_view text) {
  Number value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) {
    refuse(std::string(option) + ": wanted a number, found \"" + std::string(text) + "\"");
  }
  return value;
}

/// Options as `--name value` and `--name=value`.
Settings settings(int argc, char** argv) {
  Settings found;
  if (const char* const url = std::getenv("DATABASE_URL")) found.database = url;
  tr::ApplicationOptions& application = found.application;
  using Set = std::function<void(std::string_view option, const std::string& value)>;
  const std::map<std::string_view, Set> options = {
      {"--model", [&](auto, const auto& value) { found.model = value; }},
      {"--poll-interval",
       [&](auto name, const auto& value) {
         if (const int seconds = number(name, value); seconds > 0)
           found.model_options.poll_interval = std::chrono::seconds(seconds);
       }},
      {"--partitions",
       [&](auto name, const auto& value) { found.topic.num_partitions = number(name, value); }},
      {"--replication-factor",
       [&](auto name, const auto& value) { found.topic.replication_factor = number(name, value); }},
      {"--retention-ms",
       [&](auto name, const auto& value) { found.topic.retention_ms = number<std::int64_t>(name, value); }},
      {"--workers", [&](auto name, const auto& value) { application.workers = number(name, value); }},
      {"--state-dir", [&](auto, const auto& value) { application.state_dir = value; }},
      {"--state-memory-mib",
       [&](auto name, const auto& value) {
         application.max_state_memory = number<std::size_t>(name, value) << 20;
       }},
      {"--standby-replicas",
       [&](auto name, const auto& value) { application.standby_replicas = number(name, value); }},
      {"--metrics-port",
       [&](auto name, const auto& value) { application.metrics_port = number(name, value); }},
      {"--group-instance-id", [&](auto, const auto& value) { application.group_instance_id = value; }},
      {"--session-timeout-ms",
       [&](auto name, const auto& value) {
         application.consumer_config["session.timeout.ms"] = std::to_string(number(name, value));
       }},
      {"--database", [&](auto, const auto& value) { found.database = value; }},
      {"--table", [&](auto, const auto& value) { found.table.table = value; }},
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
  auto sdf = app.dataframe(app.topic("phone-data", given.topic));

  sdf = sdf[sdf["gForceX"].notnull()];
  sdf["gForceTotal"] = sdf["gForceX"].abs() + sdf["gForceY"].abs() + sdf["gForceZ"].abs();
  sdf["gForceTotal-10s"] = sdf["gForceTotal"].rolling(10s).mean();
  const auto model = tr::load_model(given.model, given.model_options);
  sdf["shaking"] = model.predict(sdf[{"gForceTotal", "gForceTotal-10s"}]);

  sdf.to_topic(app.topic("alerts", given.topic));
  if (!given.database.empty()) {
    // What is known alone: a phone that sends fields of its own makes no columns.
    auto rows = sdf[{"gForceX", "gForceY", "gForceZ", "latitude", "longitude", "altitude", "speed",
                     "heartRate", "gForceTotal", "gForceTotal-10s", "shaking"}];
    rows.sink(tr::PostgresSink(given.database, given.table));
  }
  std::cout << app.run().to_string() << std::endl;
} catch (const tr::Error& error) {
  std::cerr << error.what() << '\n';
  return 1;
}
