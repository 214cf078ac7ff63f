#include "runtime/models/model_watch.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <string>

#include "base/logging.h"
#include "models/document.h"

namespace tiderace {
namespace {

constexpr std::chrono::milliseconds control_poll{100};  // how soon the end is noticed
constexpr std::chrono::milliseconds stop_poll{50};
constexpr std::chrono::seconds away_pause{1};
constexpr std::chrono::milliseconds first_pause{200};  // of a registry that is away
constexpr std::chrono::seconds longest_pause{30};

/// The version that a control record names: a text or a whole number.
struct Told final : DocumentVisitor {
  void text(std::string_view path, std::string_view value) override {
    if (path == "version" && !value.empty()) version = value;
  }
  void number(std::string_view path, double value) override {
    if (path == "version" && value >= 0 && value < 1e15 && value == std::floor(value))
      version = fmt::format("{:.0f}", value);
  }
  void array(std::string_view, std::size_t) override {}
  void object(std::string_view) override {}
  std::optional<std::string> version;
};

/// Nullopt: `{}`, which ends what was told before. Throws Error{config} for anything that is neither.
std::optional<std::string> told_version(std::string_view value) {
  Told told;
  walk_document(value, told);
  const bool empty = std::all_of(value.begin(), value.end(), [](char each) {
    return std::string_view("{} \t\r\n").find(each) != std::string_view::npos;
  });
  if (!told.version && !empty)
    throw_error(ErrorKind::config, "found {:.100}, without a version that is a text or a whole number",
                value);
  return told.version;
}

void check_names(const std::vector<std::shared_ptr<ModelVersions>>& models) {
  for (auto one = models.begin(); one != models.end(); ++one) {
    const ModelVersionsOptions& own = (*one)->options();
    const auto clash = std::find_if(models.begin(), one, [&](const auto& other) {
      return other->options().name == own.name && other->options().control_topic == own.control_topic &&
             other->reference() != own.reference;
    });
    if (own.control_topic.empty() || clash == one) continue;
    throw_error(ErrorKind::plan,
                "{} and {} are both called {} and hear of versions from {}, where the name is the key: one "
                "record would move both; give each a control_topic= of its own",
                (*clash)->reference(), own.reference, own.name, own.control_topic);
  }
}

}  // namespace

ModelWatch::ModelWatch(Log& log, std::shared_ptr<ModelVersions> model) : log_(log), model_(std::move(model)) {
  if (!model_->options().control_topic.empty()) {
    open_control(true);
    while (!control_->at_end()) take(control_->poll(control_poll));
    positions_ = control_->positions();
    open_control(false);
  }
  thread_ = std::thread([this] { run(); });
}

ModelWatch::~ModelWatch() {
  stop_ = true;
  model_->interrupt(true);
  model_->wake_watch();
  thread_.join();
  model_->interrupt(false);
}

void ModelWatch::open_control(bool until_end) {
  const std::string& topic = model_->options().control_topic;
  if (positions_.empty()) {
    const auto info = log_.topic(topic);
    for (std::int32_t number = 0; info && number < info->config.num_partitions; ++number)
      positions_[{topic, number}] = log_.offsets({topic, number}).first;
  }
  control_ = std::make_unique<BoundedFollower>(log_, positions_, until_end);
}

void ModelWatch::run() {
  const std::chrono::nanoseconds interval = model_->options().poll_interval.value_or(std::chrono::hours(1));
  std::chrono::nanoseconds pause = first_pause;
  auto next = std::chrono::steady_clock::now();
  for (bool asked = false; !stop_;) {
    if (asked || std::chrono::steady_clock::now() >= next) {
      const bool good = model_->look();
      next = std::chrono::steady_clock::now() + (good ? interval : std::min(interval, pause));
      pause = good ? first_pause : std::min<std::chrono::nanoseconds>(2 * pause, longest_pause);
    }
    asked = !stop_ && wait(next - std::chrono::steady_clock::now());
  }
}

bool ModelWatch::wait(std::chrono::nanoseconds longest) {
  if (model_->options().control_topic.empty()) return model_->wait_until_asked(longest);
  try {
    if (!control_) open_control(false);
    const auto timeout =
        std::clamp<std::chrono::nanoseconds>(longest, std::chrono::nanoseconds(0), control_poll);
    const bool told = take(control_->poll(std::chrono::ceil<std::chrono::milliseconds>(timeout)));
    positions_ = control_->positions();
    return model_->wait_until_asked(std::chrono::nanoseconds(0)) || told;
  } catch (const Error& error) {
    log(LogLevel::warning, "{}: the control topic {} cannot be read for now: {}", model_->reference(),
        model_->options().control_topic, error.what());
    control_.reset();
  }
  return model_->wait_until_asked(std::min<std::chrono::nanoseconds>(longest, away_pause));
}

bool ModelWatch::take(const std::vector<BoundedFollower::Run>& runs) {
  bool told = false;
  for (const BoundedFollower::Run& run : runs) {
    for (const Record& record : run.rows) told = take(record) || told;
  }
  return told;
}

bool ModelWatch::take(const Record& record) {
  if (record.key == nullptr || record.key_view() != model_->options().name) return false;
  std::optional<std::string> version;
  try {
    if (record.value != nullptr) version = told_version(record.value_view());
  } catch (const Error& error) {
    log(LogLevel::warning,
        "{}: the record at offset {} of {} is passed over; wanted {{\"version\": \"4\"}}: {}",
        model_->reference(), record.offset, model_->options().control_topic, error.what());
    return false;
  }
  log(LogLevel::info, "{}: {} tells of version {}", model_->reference(), model_->options().control_topic,
      version.value_or("(what the registry says)"));
  model_->point(std::move(version));
  return true;
}

std::vector<std::shared_ptr<ModelVersions>> models_of(const std::vector<std::unique_ptr<Stage>>& stages) {
  std::vector<std::shared_ptr<ModelVersions>> models;
  for (const auto& stage : stages) {
    for (const ResolvedModel& model : stage->resolved.models) {
      if (std::find(models.begin(), models.end(), model.versions) == models.end())
        models.push_back(model.versions);
    }
  }
  return models;
}

std::vector<std::unique_ptr<ModelWatch>> watch_models(const RuntimeContext& context,
                                                      const std::vector<std::unique_ptr<Stage>>& stages) {
  std::vector<std::unique_ptr<ModelWatch>> watches;
  const std::vector<std::shared_ptr<ModelVersions>> models = models_of(stages);
  check_names(models);
  for (const auto& model : models) {
    model->begin_run();
    if (model->changes()) watches.push_back(std::make_unique<ModelWatch>(*context.log, model));
  }
  return watches;
}

RegistryInterrupt::RegistryInterrupt(std::vector<std::shared_ptr<ModelVersions>> models,
                                     const std::atomic<bool>& stop)
    : models_(std::move(models)) {
  thread_ = std::thread([this, &stop] {
    std::unique_lock lock(mutex_);
    while (!begun_ && !stop) changed_.wait_for(lock, stop_poll);
    for (const auto& model : models_) model->interrupt(true);
  });
}

void RegistryInterrupt::begin() {
  {
    const std::lock_guard lock(mutex_);
    begun_ = true;
  }
  changed_.notify_all();
}

RegistryInterrupt::~RegistryInterrupt() {
  begin();
  thread_.join();
  for (const auto& model : models_) model->interrupt(false);
}

}  // namespace tiderace
