#include "state/function_state_store.h"

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "columnar/records.h"
#include "state/state_key.h"

namespace tiderace {
namespace {

constexpr char version = 1;

std::optional<std::int64_t> seen_of(std::string_view head) {
  if (head.empty() || head.front() != version) return std::nullopt;
  head.remove_prefix(1);
  const auto seen = take_varint(head);
  return seen ? std::optional(unzigzag(*seen)) : std::nullopt;
}

std::size_t size_of(const std::optional<std::string>& json) {
  return json ? json->size() : 0;
}

}  // namespace

FunctionStateStore::FunctionStateStore(FunctionStateOptions options, StateStore& store, KeyTable& keys)
    : store_(store), keys_(keys), step_(state_key::of_step(options.step)), time_(store, step_, options.ttl) {
  TIDERACE_CHECK(options.ttl >= 0);
  keys_.add(this);
}

FunctionStateStore::~FunctionStateStore() {
  keys_.remove(this);
}

void FunctionStateStore::damaged(KeyId key) const {
  throw_error(ErrorKind::state,
              "the stored function state of key \"{}\" is damaged; remove the directory of the state, and it "
              "is restored "
              "from its changelog",
              keys_.key(key));
}

void FunctionStateStore::begin_batch(std::span<const std::int64_t> event_times) {
  next_event_time_ = 0;
  event_times_.clear();
  if (time_.forgets()) event_times_.assign(event_times.begin(), event_times.end());
}

void FunctionStateStore::begin(KeyId key) {
  if (values_.size() < keys_.size()) values_.resize(keys_.size());
  key_ = key;
  undo_.clear();
  if (next_event_time_ < event_times_.size()) meet(key, event_times_[next_event_time_++]);
}

/// A row of the key at `event_time`, where keys are forgotten.
void FunctionStateStore::meet(KeyId key, std::int64_t event_time) {
  Values& values = values_[key];
  if (!values.loaded) {
    values.loaded = true;
    if (const auto head = store_.get(state_key::head(step_, keys_.key(key)))) {
      const auto seen = seen_of(*head);
      if (!seen) damaged(key);
      values.seen = *seen;
    }
  }
  time_.advance(event_time);
  if (values.seen != INT64_MIN && time_.forgotten(values.seen)) forget(key);
  values.seen = std::max(values.seen, event_time);
  if (!std::exchange(values.seen_dirty, true)) seen_dirty_.push_back(key);
}

void FunctionStateStore::forget(KeyId key) {
  const std::string prefix = state_key::named(step_, keys_.key(key), {});
  std::vector<std::string> stored;
  store_.scan(prefix, [&](std::string_view name, std::string_view) {
    stored.emplace_back(name.substr(prefix.size()));
    return true;
  });
  const KeyId current = std::exchange(key_, key);
  for (const std::string& name : stored) (void)entry(name);
  for (Entry& entry : values_[key].entries) {
    if (entry.json) put(key, entry, std::nullopt);
  }
  key_ = current;
}

std::uint32_t FunctionStateStore::name_id(std::string_view name) {
  const auto [found, added] =
      name_ids_.try_emplace(std::string(name), static_cast<std::uint32_t>(names_.size()));
  if (added) names_.emplace_back(name);
  return found->second;
}

FunctionStateStore::Entry& FunctionStateStore::entry(std::string_view name) {
  std::vector<Entry>& entries = values_[key_].entries;
  for (Entry& entry : entries) {
    if (names_[entry.name] == name) return entry;
  }
  auto stored = store_.get(state_key::named(step_, keys_.key(key_), name));
  if (stored) {
    if (stored->empty() || stored->front() != version) damaged(key_);
    stored->erase(0, 1);
  }
  entry_bytes_ += sizeof(Entry) + size_of(stored);
  return entries.emplace_back(Entry{name_id(name), false, std::move(stored)});
}

std::optional<std::string_view> FunctionStateStore::get(std::string_view name) {
  const Entry& found = entry(name);
  if (!found.json) return std::nullopt;
  return *found.json;
}

void FunctionStateStore::set(std::string_view name, std::string_view json) {
  change(name, std::string(json));
}

void FunctionStateStore::erase(std::string_view name) {
  if (entry(name).json) change(name, std::nullopt);
}

void FunctionStateStore::change(std::string_view name, std::optional<std::string> json) {
  Entry& changed = entry(name);
  undo_.push_back({changed.name, changed.json});
  put(key_, changed, std::move(json));
}

void FunctionStateStore::put(KeyId key, Entry& entry, std::optional<std::string> json) {
  entry_bytes_ += size_of(json) - size_of(entry.json);
  entry.json = std::move(json);
  if (!std::exchange(entry.dirty, true)) dirty_.emplace_back(key, entry.name);
}

void FunctionStateStore::undo() {
  for (; !undo_.empty(); undo_.pop_back())
    put(key_, entry(names_[undo_.back().name]), std::move(undo_.back().json));
}

void FunctionStateStore::flush(std::vector<Change>& changes) {
  for (const auto& [key, name] : dirty_) {
    std::vector<Entry>& entries = values_[key].entries;
    Entry& entry =
        *std::find_if(entries.begin(), entries.end(), [&](const Entry& e) { return e.name == name; });
    entry.dirty = false;
    Change change{state_key::named(step_, keys_.key(key), names_[name]), std::nullopt};
    if (entry.json) change.value = version + *entry.json;
    changes.push_back(std::move(change));
  }
  dirty_.clear();
  for (const KeyId key : seen_dirty_) {
    values_[key].seen_dirty = false;
    Change change{state_key::head(step_, keys_.key(key)), std::string(1, version)};
    append_varint(*change.value, zigzag(values_[key].seen));
    changes.push_back(std::move(change));
  }
  seen_dirty_.clear();
  time_.flush(changes);
}

void FunctionStateStore::expire(std::vector<Change>& changes) {
  if (!time_.forgets()) return;
  TIDERACE_CHECK(dirty_.empty() && seen_dirty_.empty());
  for (KeyId key = 0; key < values_.size(); ++key) {
    Values& values = values_[key];
    if (!values.loaded || values.seen == INT64_MIN || !time_.forgotten(values.seen)) continue;
    forget(key);
    changes.push_back({state_key::head(step_, keys_.key(key)), std::nullopt});
    values.seen = INT64_MIN;
  }
  flush(changes);
  const auto is_hot = [this](std::string_view key) {
    const KeyId id = keys_.find(key);
    return id < values_.size() && values_[id].loaded;
  };
  time_.expire_cold(seen_of, is_hot, changes);
}

void FunctionStateStore::remap(std::span<const KeyId> kept) {
  TIDERACE_CHECK(dirty_.empty() && seen_dirty_.empty());
  std::vector<Values> values;
  values.reserve(kept.size());
  entry_bytes_ = 0;
  for (const KeyId key : kept) {
    if (key >= values_.size()) break;  // interned, but without a row of this step
    values.push_back(std::move(values_[key]));
    for (const Entry& entry : values.back().entries) entry_bytes_ += sizeof(Entry) + size_of(entry.json);
  }
  values_ = std::move(values);
  key_ = no_key;
  undo_.clear();
}

std::size_t FunctionStateStore::bytes() const noexcept {
  return entry_bytes_ + values_.capacity() * sizeof(Values);
}

}  // namespace tiderace
