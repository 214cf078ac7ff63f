// The crash detector as a container runs it: the pipeline of the example, and what a deployment sets of it.
// crash_detector.py is the same program, and says where its settings come from.
#include <tiderace/tiderace.h>

#include <charconv>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <iomanip>
#include <iostream>
#include <map>
#include <string>
#include <string_view>
#include <type_traits>

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

struct Option {
  const char* value;  ///< what it is called in the help
  const char* help;
  std::function<void(std::string_view option, const std::string& value)> set;
};
using Options = std::map<std::string_view, Option>;

/// What can be set of `found`, which is to outlive it.
Options options_of(Settings& found) {
  tr::ApplicationOptions& application = found.application;
  const auto whole = [](auto& to) {
    return [&to](auto name, const auto& text) { to = number<std::decay_t<decltype(to)>>(name, text); };
  };
  const auto text = [](std::string& to) { return [&to](auto, const auto& value) { to = value; }; };
  return {
      {"--model", {"MODEL", "a file, or a registry's: file:/models/shaking@champion", text(found.model)}},
      {"--poll-interval",
       {"SECONDS", "between looks for a new version; 0: none",
        [&found](auto name, const auto& value) {
          if (const int seconds = number(name, value); seconds > 0)
            found.model_options.poll_interval = std::chrono::seconds(seconds);
        }}},
      {"--partitions", {"N", "of topics that it creates", whole(found.topic.num_partitions)}},
      {"--replication-factor",
       {"N", "copies of each topic that it creates, on Kafka", whole(found.topic.replication_factor)}},
      {"--retention-ms",
       {"MS", "how long topics that it creates keep rows; -1: for ever", whole(found.topic.retention_ms)}},
      {"--workers", {"N", "threads", whole(application.workers)}},
      {"--state-dir", {"DIRECTORY", "of this process alone", text(application.state_dir)}},
      {"--state-memory-mib",
       {"MIB", "of state that each worker keeps in memory",
        [&application](auto name, const auto& value) {
          application.max_state_memory = number<std::size_t>(name, value) << 20;
        }}},
      {"--standby-replicas",
       {"N", "copies of state in other processes", whole(application.standby_replicas)}},
      {"--metrics-port", {"PORT", "of /metrics, /healthz and /readyz", whole(application.metrics_port)}},
      {"--group-instance-id",
       {"NAME", "static membership: a name that is kept", text(application.group_instance_id)}},
      {"--session-timeout-ms",
       {"MS", "when the group misses a process; default: 6000",
        [&application](auto name, const auto& value) {
          application.consumer_config["session.timeout.ms"] = std::to_string(number(name, value));
        }}},
      {"--database",
       {"URL", "address of a PostgreSQL that rows go into as well; default: $DATABASE_URL, else none",
        text(found.database)}},
      {"--table", {"NAME", "of the database; created if it is not there", text(found.table.table)}},
  };
}

[[noreturn]] void help(const Options& options) {
  std::cout
      << "usage: crash_detector [--help] [OPTION VALUE | OPTION=VALUE]...\n\n"
         "The crash detector as a container runs it: the pipeline of the example, and what a deployment\n"
         "sets of it. Brokers, their login and the log come from the environment: "
         "TIDERACE_BROKER_ADDRESS,\nTIDERACE_SECURITY_..., TIDERACE_LOG, TIDERACE_LOG_FORMAT.\n\n"
         "options:\n";
  const auto line = [](const std::string& left, const char* right) {
    std::cout << "  " << std::left << std::setw(28) << left << right << '\n';
  };
  line("-h, --help", "this text");
  for (const auto& [name, option] : options) line(std::string(name) + ' ' + option.value, option.help);
  std::exit(0);
}

/// Options as `--name value` and `--name=value`.
Settings settings(int argc, char** argv) {
  Settings found;
  if (const char* const url = std::getenv("DATABASE_URL")) found.database = url;
  const Options options = options_of(found);
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (word == "--help" || word == "-h") help(options);
    const auto equals = word.find('=');
    const std::string_view name = word.substr(0, equals);
    const auto option = options.find(name);
    if (option == options.end())
      refuse("unknown option " + std::string(name) + "; --help lists those there are");
    if (equals == std::string_view::npos && i + 1 == argc) refuse(std::string(name) + ": wants a value");
    option->second.set(name,
                       std::string(equals == std::string_view::npos ? argv[++i] : word.substr(equals + 1)));
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
