#include "runtime/models/model_watch.h"

#include <algorithm>
#include <optional>
#include <string>

#include "base/logging.h"
#include "models/document.h"

namespace tiderace {
namespace {

constexpr std::chrono::milliseconds control_poll{100};  // how soon the end is noticed
constexpr std::chrono::seconds away_pause{1};

/// The version that a control record names: a text or a whole number.
struct Told final : DocumentVisitor {
  void text(std::string_view path, std::string_view value) override {
    if (path == "version") version = value;
  }
  void number(std::string_view path, double value) override {
    if (path == "version") version = fmt::format("{:.0f}", value);
  }
  void array(std::string_view, std::size_t) override {}
  void object(std::string_view) override {}
  std::optional<std::string> version;
};

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
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  stopped_.notify_all();
  model_->interrupt(true);
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
  const auto interval = model_->options().poll_interval;
  auto next = std::chrono::steady_clock::now();
  while (!stop_) {
    const auto now = std::chrono::steady_clock::now();
    if (interval && now >= next) {
      model_->look();
      next = std::chrono::steady_clock::now() + *interval;
    }
    const auto left = interval ? next - std::chrono::steady_clock::now() : std::chrono::hours(1);
    if (!stop_ && wait(left)) model_->look();
  }
}

bool ModelWatch::wait(std::chrono::nanoseconds longest) {
  if (control_) {
    try {
      const auto timeout = std::min<std::chrono::nanoseconds>(longest, control_poll);
      const bool told = take(control_->poll(std::chrono::ceil<std::chrono::milliseconds>(timeout)));
      positions_ = control_->positions();
      return told;
    } catch (const Error& error) {
      log(LogLevel::warning, "{}: the control topic {} cannot be read for now: {}", model_->reference(),
          model_->options().control_topic, error.what());
      longest = std::min<std::chrono::nanoseconds>(longest, away_pause);
    }
  }
  std::unique_lock lock(mutex_);
  stopped_.wait_for(lock, longest, [this] { return stop_.load(); });
  return false;
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
  Told told;
  try {
    if (record.value != nullptr) walk_document(record.value_view(), told);
  } catch (const Error& error) {
    log(LogLevel::warning,
        "{}: the record at offset {} of {} is passed over; wanted {{\"version\": \"4\"}}: {}",
        model_->reference(), record.offset, model_->options().control_topic, error.what());
    return false;
  }
  log(LogLevel::info, "{}: {} tells of version {}", model_->reference(), model_->options().control_topic,
      told.version.value_or("(what the registry says)"));
  model_->point(std::move(told.version));
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
  for (const auto& model : models_of(stages)) {
    model->begin_run();
    if (model->changes()) watches.push_back(std::make_unique<ModelWatch>(*context.log, model));
  }
  return watches;
}

}  // namespace tiderace
