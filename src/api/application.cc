#include <tiderace/application.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <string_view>
#include <utility>

#include "api/application_state.h"
#include "api/frame_access.h"
#include "base/error.h"
#include "base/logging.h"
#include "log/kafka/security/security.h"
#include "log/open.h"
#include "log/topic_rules.h"
#include "runtime/observation/monitor.h"
#include "runtime/stop_signals.h"

namespace tiderace {
namespace {

constexpr int kafka_restore_threads = 4;

void write_to_standard_output(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

void require_positive(const char* option, std::optional<std::chrono::nanoseconds> value) {
  if (value && value->count() <= 0)
    throw_error(ErrorKind::config, "{}: wanted a time above 0, found {} ns", option, value->count());
}

void check_group(const std::string& group) {
  if (group.empty()) {
    throw Error(ErrorKind::config,
                "consumer_group is required: it names the application in the log, so that a restart goes on "
                "where it was");
  }
  for (const char byte : group) {
    const bool good = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
                      (byte >= '0' && byte <= '9') || byte == '.' || byte == '_' || byte == '-';
    if (!good) {
      throw_error(ErrorKind::config,
                  "consumer_group: wanted letters, digits, '.', '_' and '-', since it is part of topic "
                  "names; found \"{}\"",
                  group);
    }
  }
  if (group == "." || group == ".." || group.size() > 200) {
    throw_error(ErrorKind::config, "consumer_group: wanted a name of at most 200 characters, found \"{}\"",
                group);
  }
}

void check_compression(const std::string& compression) {
  constexpr std::string_view known[] = {"none", "lz4", "zstd", "snappy", "gzip"};
  if (std::find(std::begin(known), std::end(known), compression) == std::end(known)) {
    throw_error(ErrorKind::config, "compression: wanted none, lz4, zstd, snappy or gzip, found \"{}\"",
                compression);
  }
}

/// Settings of librdkafka that the guarantees stand on, or that are an option here, and what to do instead.
void check_client_config(std::string_view option, const std::map<std::string, std::string>& config) {
  constexpr std::string_view needed = "what is guaranteed stands on it, so leave it out";
  constexpr std::pair<std::string_view, std::string_view> kept[] = {
      {"acks", needed},
      {"auto.offset.reset", "use auto_offset_reset= and on_lost_offset="},
      {"delivery.timeout.ms", needed},
      {"enable.auto.commit", needed},
      {"enable.auto.offset.store", needed},
      {"enable.idempotence", needed},
      {"enable.partition.eof", needed},
      {"group.id", "use consumer_group="},
      {"group.instance.id", "use group_instance_id="},
      {"isolation.level", needed},
      {"message.timeout.ms", needed},
      {"partition.assignment.strategy", needed},
      {"request.required.acks", needed},
      {"transactional.id", needed},
  };
  for (const auto& [name, instead] : kept) {
    if (config.contains(std::string(name)))
      throw_error(ErrorKind::config, "{}: \"{}\" cannot be set; {}", option, name, instead);
  }
}

void complete_security(ApplicationOptions& options) {
  const bool embedded = embedded_directory(options.broker_address).has_value();
  if (!embedded) options.security = with_environment(std::move(options.security));
  check_security(options.security, options.consumer_config);
  if (embedded && to_string(options.security) != "none") {
    throw_error(ErrorKind::config,
                "security: is for Kafka (host:port); broker_address is {}, which nobody guards",
                options.broker_address);
  }
}

ApplicationOptions completed(ApplicationOptions options) {
  check_group(options.consumer_group);
  require_positive("commit_interval", options.commit_interval);
  require_positive("state_ttl", options.state_ttl);
  if (!options.dead_letter_topic.empty()) check_topic_name(options.dead_letter_topic);
  if (options.group_lock_timeout.count() < 0)
    throw Error(ErrorKind::config, "group_lock_timeout: wanted a time of at least 0");
  require_positive("health_timeout", options.health_timeout);
  if (options.metrics_port < 0 || options.metrics_port > 65'535) {
    throw_error(ErrorKind::config, "metrics_port: wanted 1 to 65535, or 0 for none, found {}",
                options.metrics_port);
  }
  if (options.workers < 1 || options.workers > 1024) {
    throw_error(ErrorKind::config, "workers: wanted 1 to 1024, found {}", options.workers);
  }
  check_compression(options.compression);
  check_client_config("consumer_config", options.consumer_config);
  check_client_config("producer_config", options.producer_config);
  if (options.linger.count() < 0) throw Error(ErrorKind::config, "linger: wanted a time of at least 0");
  if (options.standby_replicas < 0)
    throw_error(ErrorKind::config, "standby_replicas: wanted 0 or more, found {}", options.standby_replicas);
  if (options.broker_address.empty()) {
    const char* address = std::getenv("TIDERACE_BROKER_ADDRESS");
    options.broker_address = address != nullptr && *address != '\0' ? address : "embedded:.tiderace";
  }
  complete_security(options);
  if (options.state_dir.empty())
    options.state_dir = embedded_directory(options.broker_address).value_or(".tiderace") + "/state";
  // A program that changes its working directory later goes on with the same files.
  options.state_dir = std::filesystem::absolute(options.state_dir).string();
  if (const auto directory = embedded_directory(options.broker_address); directory && !directory->empty())
    options.broker_address = "embedded:" + std::filesystem::absolute(*directory).string();
  return options;
}

}  // namespace

ApplicationState::ApplicationState(ApplicationOptions given)
    : options(completed(std::move(given))),
      pipeline(plan::Pipeline::make()),
      print(write_to_standard_output) {
  // Opens nothing yet, but refuses an address that nobody can open where it is written.
  static_cast<void>(log());
}

std::shared_ptr<Log> ApplicationState::log() {
  const std::lock_guard lock(mutex);
  if (auto opened = opened_log.lock()) return opened;
  EmbeddedOptions embedded;
  embedded.durability = options.durability;
  embedded.group_lock_timeout = options.group_lock_timeout;
  KafkaOptions kafka;
  kafka.security = options.security;
  kafka.consumer_config = options.consumer_config;
  kafka.producer_config = options.producer_config;
  kafka.max_memory = options.max_memory;
  kafka.compression = options.compression;
  kafka.linger = options.linger;
  std::shared_ptr<Log> opened = open_log(options.broker_address, embedded, kafka);
  opened_log = opened;
  return opened;
}

std::shared_ptr<std::vector<std::unique_ptr<Stage>>> ApplicationState::resolve() const {
  auto resolved = std::make_shared<std::vector<std::unique_ptr<Stage>>>();
  std::vector<NodePtr> sources;
  for (const NodePtr& end : pipeline->ends()) {
    const NodePtr source = source_of(end);
    if (std::find(sources.begin(), sources.end(), source) != sources.end()) continue;
    sources.push_back(source);
    resolved->push_back(std::make_unique<Stage>(resolve_stage(source, pipeline->ends())));
  }
  return resolved;
}

void ApplicationState::warn_of_unused() const {
  for (const NodePtr& node : pipeline->unused()) {
    tiderace::log(
        LogLevel::warning,
        "nobody uses the result of {}: assign it (sdf = ...), or write it with to_topic() or sink()",
        to_text(node->step));
  }
}

plan::Frame ApplicationState::dataframe(const std::shared_ptr<SourceConnector>& source,
                                        std::optional<double> replay_speed) {
  if (replay_speed && !(*replay_speed > 0 && *replay_speed < 1e9)) {
    throw_error(ErrorKind::config, "replay_speed: wanted a number above 0 (1 is as the rows came), found {}",
                *replay_speed);
  }
  const TopicOptions topic_options = source->topic();
  if (replay_speed && !topic_options.timestamp) {
    throw_error(ErrorKind::config,
                "replay_speed: {} has no times to go by; name their field with timestamp=", source->text());
  }
  const std::string name = options.consumer_group + "-" + source->name();
  for (const Feed& feed : feeds) {
    if (feed.topic != name || (feed.source == source && feed.replay_speed == replay_speed)) continue;
    throw_error(
        ErrorKind::plan,
        "app.dataframe(source={}): there is another source of that name; give it a name=", source->text());
  }
  const auto topic = pipeline->topic(name, topic_options);
  if (std::none_of(feeds.begin(), feeds.end(), [&](const Feed& feed) { return feed.topic == name; }))
    feeds.push_back({name, source, replay_speed});
  return pipeline->dataframe(topic);
}

Summary ApplicationState::run(const RunOptions& run_options) {
  require_positive("timeout", run_options.timeout);
  auto resolved = resolve();
  if (resolved->empty()) {
    throw Error(ErrorKind::plan, "there is nothing to run: no frame ends in to_topic(), sink() or print()");
  }
  warn_of_unused();
  auto state = std::make_shared<RunState>();
  {
    const std::lock_guard lock(mutex);
    if (run_state)
      throw Error(ErrorKind::config, "the application runs already; an application has one run at a time");
    run_state = state;
    stages = resolved;
  }
  RuntimeContext context;
  context.options = options;
  context.print = print;
  for (const Feed& feed : feeds) {
    const bool read = std::any_of(resolved->begin(), resolved->end(), [&](const auto& stage) {
      return stage->resolved.topic->name == feed.topic;
    });
    if (read) context.feeds.push_back(feed);
  }
  // Reading a changelog from brokers takes its time, and other partitions can run meanwhile.
  context.restore_threads = embedded_directory(options.broker_address) ? 0 : kafka_restore_threads;
  const RunLimits limits{run_options.until_end, run_options.timeout, run_options.count};
  Summary result;
  try {
    std::optional<Monitor> monitor;
    if (options.metrics_port != 0) monitor.emplace(context, *resolved);
    context.log = log();
    context.stores = rocksdb_state_stores(options.state_dir);
    const StopSignals signals(state->stop);
    run_stages(context, *resolved, limits, *state, result);
  } catch (...) {
    const std::lock_guard lock(mutex);
    last_summary = result;
    run_state.reset();
    throw;
  }
  const std::lock_guard lock(mutex);
  last_summary = result;
  run_state.reset();
  return result;
}

std::string ApplicationState::explain() const {
  std::shared_ptr<std::vector<std::unique_ptr<Stage>>> present;
  {
    const std::lock_guard lock(mutex);
    present = stages;
  }
  return explain_stages(present ? *present : *resolve());
}

void ApplicationState::set_summary(const Summary& summary) {
  const std::lock_guard lock(mutex);
  last_summary = summary;
}

Application::Application(ApplicationOptions options)
    : state_(std::make_shared<ApplicationState>(std::move(options))) {
  state_->pipeline->set_owner(state_);
}
Application::~Application() = default;
Application::Application(Application&&) noexcept = default;
Application& Application::operator=(Application&&) noexcept = default;

TopicPtr Application::topic(const std::string& name, TopicOptions options) {
  return ApplicationAccess::state(*this)->pipeline->topic(name, std::move(options));
}

StreamingDataFrame Application::dataframe(const TopicPtr& topic) {
  return FrameAccess::make(ApplicationAccess::state(*this)->pipeline->dataframe(topic));
}

StreamingDataFrame Application::dataframe(const History& source, const ReplayOptions& options) {
  return FrameAccess::make(
      ApplicationAccess::state(*this)->dataframe(SourceAccess::of(source), options.replay_speed));
}

Summary Application::run(const RunOptions& options) {
  return ApplicationAccess::state(*this)->run(options);
}

void Application::stop() noexcept {
  if (state_ == nullptr) return;
  std::shared_ptr<RunState> present;
  {
    const std::lock_guard lock(state_->mutex);
    present = state_->run_state;
  }
  if (present) present->stop = true;
}

Summary Application::summary() const {
  const std::shared_ptr<ApplicationState>& state = ApplicationAccess::state(*this);
  const std::lock_guard lock(state->mutex);
  return state->last_summary;
}

std::string Application::explain() const {
  return ApplicationAccess::state(*this)->explain();
}

}  // namespace tiderace
