#include "runtime/models/task_models.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/error.h"
#include "base/logging.h"
#include "columnar/records.h"
#include "state/state_key.h"

namespace tiderace {
namespace {

constexpr char format_version = 1;
constexpr std::int64_t longest_wait_ns = 1'000'000'000;  // for the offset of a swap
constexpr std::chrono::seconds news_patience{1};         // so that a short run hears of a new version, too

std::string key_of(const std::string& state) {
  return state_key::head(state_key::of_step(state), "");
}

[[noreturn]] void damaged(const std::string& state) {
  throw_error(ErrorKind::state,
              "the state of {} is damaged, or of a later library; use the library that wrote it", state);
}

/// The entry that counts at `offset`: the last that is not behind it, else the first.
std::size_t index_at(std::span<const VersionSince> versions, std::int64_t offset) {
  std::size_t index = 0;
  while (index + 1 < versions.size() && versions[index + 1].since <= offset) ++index;
  return index;
}

/// What a partition is scored by from `since` on.
LoadedModelPtr load_needed(ModelVersions& model, const VersionSince& wanted,
                           const TopicPartition& partition) {
  const auto what = [&](const char* why) {
    return fmt::format(
        "{} partition {} is scored by version {} of {} from offset {} on, which cannot be loaded: {}",
        partition.topic, partition.partition, wanted.version, model.reference(), wanted.since, why);
  };
  try {
    return model.load(wanted.version);
  } catch (const VersionGone& gone) {
    if (model.options().on_lost_version == OnLostVersion::stop) {
      const bool there = dynamic_cast<const OtherFeatures*>(&gone) != nullptr;
      throw_error(
          ErrorKind::state,
          "{}. {}, or say on_lost_version=\"current\" to go on with the one that the registry names now",
          what(gone.what()),
          there ? "Give predict() the features of before" : "Put that version back into the registry");
    }
    log(LogLevel::warning, "{}; it goes on with version {}", what(gone.what()), model.newest()->version);
    return nullptr;
  } catch (const Error& error) {
    throw ModelAway(Error(ErrorKind::config, what(error.what())),
                    fmt::format("version {} of {}", wanted.version, model.reference()));
  }
}

RestoredModel restore_model(const ResolvedModel& resolved, StateStore& store, const TopicPartition& partition,
                            std::int64_t offset) {
  ModelVersions& model = *resolved.versions;
  RestoredModel restored;
  restored.asked = std::chrono::steady_clock::now();
  restored.versions = read_versions(resolved.state, store);
  if (restored.versions.empty()) return restored;
  for (std::size_t i = index_at(restored.versions, offset); i < restored.versions.size(); ++i) {
    LoadedModelPtr loaded = load_needed(model, restored.versions[i], partition);
    if (!loaded) return {};
    restored.loaded.push_back(std::move(loaded));
  }
  return restored;
}

}  // namespace

Change versions_change(const std::string& state, std::span<const VersionSince> versions) {
  std::string value(1, format_version);
  for (const VersionSince& each : versions) {
    append_varint(value, zigzag(each.since));
    append_varint(value, each.version.size());
    value += each.version;
  }
  return {key_of(state), std::move(value)};
}

std::vector<VersionSince> read_versions(const std::string& state, StateStore& store) {
  const auto stored = store.get(key_of(state));
  std::vector<VersionSince> versions;
  if (!stored) return versions;
  std::string_view value = *stored;
  if (value.empty() || value.front() != format_version) damaged(state);
  value.remove_prefix(1);
  while (!value.empty()) {
    const auto since = take_varint(value);
    const auto size = take_varint(value);
    if (!since || !size || *size > value.size()) damaged(state);
    versions.push_back({unzigzag(*since), std::string(value.substr(0, *size))});
    value.remove_prefix(*size);
  }
  return versions;
}

std::vector<RestoredModel> restore_models(const Stage& stage, StateStore& store,
                                          const TopicPartition& partition, std::int64_t offset) {
  std::vector<RestoredModel> restored(stage.resolved.models.size());
  for (std::size_t i = 0; i < restored.size(); ++i) {
    const ResolvedModel& model = stage.resolved.models[i];
    if (model.state.empty()) continue;
    restored[i] = restore_model(model, store, partition, offset);
    model.versions->ask_to_look(news_patience);
  }
  return restored;
}

TaskModels::TaskModels(const Stage& stage, TopicPartition partition, std::vector<RestoredModel> restored)
    : partition_(std::move(partition)) {
  const std::vector<ResolvedModel>& models = stage.resolved.models;
  restored.resize(models.size());
  uses_.reserve(models.size());
  for (std::size_t i = 0; i < models.size(); ++i) {
    ModelUse use;
    use.versions = models[i].versions;
    use.header = models[i].header;
    if (!stage.pinned.empty()) use.current = stage.pinned[i];
    uses_.push_back(std::move(use));
    if (stage.pinned.empty()) start(stage, i, std::move(restored[i]));
    counted_.emplace_back();
    count(i);
  }
}

TaskModels::~TaskModels() {
  for (std::size_t i = 0; i < uses_.size(); ++i) uses_[i].versions->count_use(counted_[i], -1);
}

void TaskModels::count(std::size_t number) {
  const std::string& version = uses_[number].current->version;
  if (counted_[number] == version) return;
  ModelVersions& model = *uses_[number].versions;
  if (!counted_[number].empty()) {
    model.count_use(counted_[number], -1);
    model.counters().swaps.fetch_add(1, std::memory_order_relaxed);
  }
  counted_[number] = version;
  model.count_use(version, 1);
}

void TaskModels::start(const Stage& stage, std::size_t number, RestoredModel restored) {
  ModelUse& use = uses_[number];
  const std::string& state = stage.resolved.models[number].state;
  const std::uint64_t sequence = use.versions->sequence();  // before what is the newest is asked
  use.current = restored.loaded.empty() ? use.versions->newest() : restored.loaded.front();
  if (state.empty()) return;
  Changing changing;
  changing.use = number;
  changing.state = state;
  changing.sequence = sequence;
  if (!restored.loaded.empty()) changing.asked = restored.asked;
  changing.versions = std::move(restored.versions);
  if (!restored.loaded.empty()) changing.ahead.assign(restored.loaded.begin() + 1, restored.loaded.end());
  changing_.push_back(std::move(changing));
}

void TaskModels::begin(std::int64_t offset) {
  for (Changing& changing : changing_) {
    if (changing.versions.empty()) note(changing, uses_[changing.use].current->version, offset);
  }
}

bool TaskModels::has_news(Changing& changing, const ModelVersions& versions) {
  if (changing.asked) {
    if (!versions.looked_since(*changing.asked)) return false;
    changing.asked.reset();
    changing.sequence = 0;  // whatever is the newest is news
  }
  return versions.sequence() != changing.sequence;
}

void TaskModels::begin_batch() {
  for (Changing& changing : changing_) {
    ModelUse& use = uses_[changing.use];
    use.tried = false;
    use.failure.clear();
    use.mended_by = nullptr;
    use.spares.clear();
    if (has_news(changing, *use.versions)) {
      const std::uint64_t sequence = use.versions->sequence();
      LoadedModelPtr newest = use.versions->newest();
      const bool other = newest->version != use.current->version;
      if (!changing.ahead.empty()) {
        if (other) use.spares.push_back(std::move(newest));  // one after the other
      } else {
        changing.sequence = sequence;
        changing.accepted = nullptr;
        use.candidate = other ? std::move(newest) : nullptr;
      }
    }
    if (changing.accepted) use.spares.push_back(changing.accepted);
    if (!changing.ahead.empty()) use.spares.push_back(changing.ahead.back());
  }
}

void TaskModels::end_batch() {
  for (Changing& changing : changing_) {
    ModelUse& use = uses_[changing.use];
    if (!use.candidate) continue;
    if (!use.failure.empty()) {
      use.versions->reject(use.candidate, use.current, use.failure);
      use.candidate = nullptr;
    } else if (use.tried) {
      changing.accepted = std::move(use.candidate);
      use.candidate = nullptr;
    }
  }
  update_due();
}

void TaskModels::announce(std::int64_t offset, std::int64_t now_ns) {
  for (Changing& changing : changing_) {
    const LoadedModelPtr accepted = std::exchange(changing.accepted, nullptr);
    // Another partition may have found out meanwhile what is wrong with it.
    if (!accepted || uses_[changing.use].versions->is_rejected(accepted->version)) continue;
    note(changing, accepted->version, offset);
    changing.ahead.push_back(accepted);
    changing.announced_ns = now_ns;
  }
  update_due();
}

void TaskModels::note(Changing& changing, const std::string& version, std::int64_t since) {
  std::vector<VersionSince>& versions = changing.versions;
  while (!versions.empty() && versions.back().since >= since) versions.pop_back();
  versions.push_back({since, version});
  if (versions.size() > versions_kept) versions.erase(versions.begin());
  changing.changed = true;
}

std::optional<std::int64_t> TaskModels::uncommitted_swap() const noexcept {
  std::optional<std::int64_t> first;
  for (const Changing& changing : changing_) {
    if (!changing.changed && !changing.flushed) continue;
    const std::int64_t since = changing.versions.back().since;
    first = std::min(first.value_or(since), since);
  }
  return first;
}

std::optional<std::int64_t> TaskModels::next_swap() const {
  std::optional<std::int64_t> next;
  for (const Changing& changing : changing_) {
    if (changing.ahead.empty()) continue;
    const std::int64_t since = changing.versions[changing.versions.size() - changing.ahead.size()].since;
    next = std::min(next.value_or(since), since);
  }
  return next;
}

void TaskModels::reach(std::int64_t position) {
  for (Changing& changing : changing_) {
    const auto& versions = changing.versions;
    while (!changing.ahead.empty() && versions[versions.size() - changing.ahead.size()].since <= position) {
      ModelUse& use = uses_[changing.use];
      log(LogLevel::info, "{} partition {}: version {} of {} takes over from {} at offset {}",
          partition_.topic, partition_.partition, changing.ahead.front()->version, use.versions->reference(),
          use.current->version, position);
      use.current = changing.ahead.front();
      changing.ahead.erase(changing.ahead.begin());
      count(changing.use);
    }
  }
}

void TaskModels::take_over(const Mended& mended, std::int64_t position) {
  reach(position);
  for (Changing& changing : changing_) {
    if (changing.use != mended.model) continue;
    ModelUse& use = uses_[changing.use];
    log(LogLevel::info, "{} partition {}: version {} of {} takes over at once from {} at offset {}",
        partition_.topic, partition_.partition, mended.by->version, use.versions->reference(),
        use.current->version, position);
    use.current = mended.by;
    changing.ahead.clear();
    note(changing, mended.by->version, position);
    count(changing.use);
  }
}

void TaskModels::update_due() noexcept {
  due_ = std::any_of(changing_.begin(), changing_.end(),
                     [](const Changing& changing) { return changing.accepted != nullptr; });
}

bool TaskModels::waits_long(const Changing& changing, std::int64_t position, std::int64_t now_ns) const {
  if (changing.announced_ns) return now_ns - *changing.announced_ns >= longest_wait_ns;
  return first_end_ && position >= *first_end_;
}

void TaskModels::heard_end(std::int64_t end) noexcept {
  if (!first_end_) first_end_ = end;
}

void TaskModels::flush(std::vector<Change>& changes, std::int64_t position, std::int64_t now_ns) {
  for (Changing& changing : changing_) {
    const bool committed = !changing.changed && !changing.flushed;
    if (committed && !changing.ahead.empty() && waits_long(changing, position, now_ns)) {
      note(changing, changing.ahead.back()->version, position);
      changing.ahead = {changing.ahead.back()};
    }
    if (!std::exchange(changing.changed, false)) continue;
    changes.push_back(versions_change(changing.state, changing.versions));
    changing.flushed = true;
  }
}

void TaskModels::committed() {
  for (Changing& changing : changing_) changing.flushed = false;
}

bool TaskModels::changed() const noexcept {
  return std::any_of(changing_.begin(), changing_.end(), [](const Changing& each) { return each.changed; });
}

}  // namespace tiderace
