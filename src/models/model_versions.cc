#include "models/model_versions.h"

#include <algorithm>
#include <utility>

#include "base/logging.h"

namespace tiderace {
namespace {

constexpr std::size_t kept_versions = 3;  // in memory, so that going back needs no registry
constexpr std::size_t warm_up_rows = 16;

}  // namespace

ModelVersions::ModelVersions(std::unique_ptr<ModelSource> source, ModelVersionsOptions options,
                             std::vector<std::string> methods)
    : source_(std::move(source)), options_(std::move(options)), methods_(std::move(methods)) {
  named_ = source_->resolve();
  offer(load(named_));
}

std::vector<std::string> ModelVersions::methods() const {
  const std::lock_guard lock(mutex_);
  return methods_;
}

void ModelVersions::require(const std::string& method, std::span<const Feature> features) {
  const std::lock_guard source_lock(source_mutex_);
  LoadedModelPtr present = newest();
  if (!present->methods.contains(method)) {
    auto more = std::make_shared<LoadedModel>(*present);
    more->methods[method] = source_->load(present->version, std::span(&method, 1)).at(0);
    present = more;
  }
  if (const auto mismatch = present->methods.at(method)->mismatch(features))
    throw Error(ErrorKind::plan, *mismatch);
  const std::lock_guard lock(mutex_);
  loaded_.emplace_back(present);
  offered_.back().swap(present);
  if (std::find(methods_.begin(), methods_.end(), method) == methods_.end()) methods_.push_back(method);
  required_.push_back({method, {features.begin(), features.end()}});
}

LoadedModelPtr ModelVersions::newest() const {
  const std::lock_guard lock(mutex_);
  return offered_.back();
}

LoadedModelPtr ModelVersions::known(const std::string& version) const {
  std::vector<LoadedModelPtr> held;  // until the lock is released
  const std::lock_guard lock(mutex_);
  for (const auto& weak : loaded_) {
    const LoadedModelPtr loaded = held.emplace_back(weak.lock());
    const auto has = [&](const std::string& method) { return loaded->methods.contains(method); };
    if (loaded && loaded->version == version && std::all_of(methods_.begin(), methods_.end(), has))
      return loaded;
  }
  return nullptr;
}

LoadedModelPtr ModelVersions::load(const std::string& version) {
  if (LoadedModelPtr loaded = known(version)) return loaded;
  const std::lock_guard source_lock(source_mutex_);
  if (LoadedModelPtr loaded = known(version)) return loaded;
  LoadedModelPtr loaded = read(version);
  const std::lock_guard lock(mutex_);
  std::erase_if(loaded_, [](const auto& weak) { return weak.expired(); });
  loaded_.emplace_back(loaded);
  return loaded;
}

LoadedModelPtr ModelVersions::read(const std::string& version) {
  const auto begin = std::chrono::steady_clock::now();
  const std::vector<std::string> wanted = methods();
  auto loaded = std::make_shared<LoadedModel>();
  loaded->version = version;
  auto models = source_->load(version, wanted);
  TIDERACE_CHECK(models.size() == wanted.size());
  for (std::size_t i = 0; i < wanted.size(); ++i) loaded->methods[wanted[i]] = std::move(models[i]);
  check(*loaded);
  warm_up(*loaded);
  const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - begin;
  log(LogLevel::info, "{}: version {} is loaded, in {:.0f} ms", options_.reference, version, took.count());
  return loaded;
}

void ModelVersions::check(const LoadedModel& loaded) const {
  const std::lock_guard lock(mutex_);
  for (const Required& required : required_) {
    if (const auto mismatch = loaded.methods.at(required.method)->mismatch(required.features))
      throw OtherFeatures(Error(ErrorKind::config, *mismatch));
  }
}

/// Whatever a model does at its first call, it does here. What that says of it does not count: a row of zeros
/// may be none that it is made for. Python's models end such a call where there is an interrupt.
void ModelVersions::warm_up(const LoadedModel& loaded) const {
  std::vector<Required> required;
  {
    const std::lock_guard lock(mutex_);
    required = required_;
  }
  for (const Required& each : required) {
    std::vector<std::string> names;
    for (const Feature& feature : each.features) names.push_back(feature.name);
    for (const std::size_t rows : {std::size_t{1}, warm_up_rows}) {
      const std::vector<double> zeros(rows * names.size(), 0.0);
      ColumnBuilder ignored(rows);
      const auto failure =
          loaded.methods.at(each.method)->predict({zeros, rows, names.size(), names}, ignored);
      if (!failure) continue;
      const std::lock_guard lock(mutex_);
      if (interrupts_ > 0)
        throw_error(ErrorKind::config, "the run ended before version {} had answered its first call",
                    loaded.version);
      log(LogLevel::debug, "{}: warming up: {}", options_.reference, failure->message);
    }
  }
}

void ModelVersions::offer(LoadedModelPtr loaded) {
  LoadedModelPtr dropped;
  const std::lock_guard lock(mutex_);
  offered_.push_back(std::move(loaded));
  if (offered_.size() > kept_versions) {
    dropped = std::move(offered_.front());
    offered_.erase(offered_.begin());
  }
  sequence_.fetch_add(1, std::memory_order_release);
}

void ModelVersions::look_or_throw() {
  std::optional<std::string> version;
  {
    const std::lock_guard lock(mutex_);
    version = pointed_;
  }
  if (!version) {
    const std::lock_guard source_lock(source_mutex_);
    version = source_->resolve();
  }
  {
    const std::lock_guard lock(mutex_);
    if (named_ != *version) rejected_.clear();
    named_ = *version;
    if (rejected_.contains(*version)) return;
    if (offered_.back()->version == *version) return;
  }
  offer(load(*version));
}

bool ModelVersions::look() noexcept {
  const std::lock_guard look_lock(look_mutex_);
  const auto begin = std::chrono::steady_clock::now();
  {
    const std::lock_guard lock(mutex_);
    looking_ = begin;
  }
  std::optional<std::string> failure;
  try {
    look_or_throw();
  } catch (const std::exception& error) {
    failure = error.what();
  }
  const std::lock_guard lock(mutex_);
  looking_.reset();
  answered_ = begin;
  looked_ns_.store(failure ? INT64_MIN : begin.time_since_epoch().count(), std::memory_order_release);
  changed_.notify_all();
  if (!failure) complaint_.clear();
  if (!failure || interrupts_ > 0) return !failure;
  counters_.load_failures.fetch_add(1, std::memory_order_relaxed);
  if (std::exchange(complaint_, *failure) != *failure) {
    log(LogLevel::warning, "{}: no new version: {}; what is in use stays", options_.reference, *failure);
  }
  return false;
}

void ModelVersions::ask_to_look(std::chrono::nanoseconds patience) {
  std::unique_lock lock(mutex_);
  const auto begin = std::chrono::steady_clock::now();
  asked_ = true;
  changed_.notify_all();
  // The first who meets a registry that hangs waits for it, those behind do not.
  changed_.wait_until(lock, looking_.value_or(begin) + patience,
                      [&] { return answered_ >= begin || interrupts_ > 0; });
}

bool ModelVersions::wait_until_asked(std::chrono::nanoseconds longest) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, longest, [this] { return asked_; });
  return std::exchange(asked_, false);
}

void ModelVersions::wake_watch() {
  const std::lock_guard lock(mutex_);
  asked_ = true;
  changed_.notify_all();
}

void ModelVersions::point(std::optional<std::string> version) {
  const std::lock_guard lock(mutex_);
  pointed_ = std::move(version);
  looked_ns_ = INT64_MIN;
}

void ModelVersions::reject(const LoadedModelPtr& loaded, const LoadedModelPtr& instead,
                           const std::string& why) {
  const std::lock_guard lock(mutex_);
  const auto present = std::find(offered_.begin(), offered_.end(), loaded);
  if (present == offered_.end()) return;  // somebody was here before
  if (offered_.size() < 2) {
    if (!instead || instead == loaded || rejected_.contains(instead->version)) return;
    offered_.insert(offered_.begin(), instead);
  }
  std::erase(offered_, loaded);
  rejected_.insert(loaded->version);
  counters_.rollbacks.fetch_add(1, std::memory_order_relaxed);
  sequence_.fetch_add(1, std::memory_order_release);
  log(LogLevel::warning,
      "{}: version {} failed the first batch that it was tried on and is taken back: {}; version {} stays",
      options_.reference, loaded->version, why, offered_.back()->version);
}

bool ModelVersions::is_rejected(const std::string& version) const {
  const std::lock_guard lock(mutex_);
  return rejected_.contains(version);
}

void ModelVersions::interrupt(bool on) {
  const std::lock_guard interrupt_lock(interrupt_mutex_);
  bool any = false;
  {
    const std::lock_guard lock(mutex_);
    interrupts_ += on ? 1 : -1;
    any = interrupts_ > 0;
    changed_.notify_all();
  }
  source_->interrupt(any);
}

void ModelVersions::count_use(const std::string& version, int by) {
  const std::lock_guard lock(mutex_);
  if ((uses_[version] += by) == 0) uses_.erase(version);
}

std::map<std::string, int> ModelVersions::uses() const {
  const std::lock_guard lock(mutex_);
  return uses_;
}

void ModelVersions::begin_run() {
  for (auto* counter : {&counters_.swaps, &counters_.rollbacks, &counters_.load_failures}) *counter = 0;
}

}  // namespace tiderace
