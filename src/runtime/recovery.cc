#include "runtime/recovery.h"

#include <algorithm>
#include <cstdlib>

#include "base/error.h"
#include "base/logging.h"
#include "runtime/progress.h"
#include "runtime/state_format.h"
#include "state/state_key.h"

namespace tiderace {
namespace {

constexpr std::size_t restore_bytes =
    2u << 20;  // per read: large enough for bulk writes, small enough for memory and for a progress to see

bool has_state(StateStore& store, const std::string& step) {
  bool found = false;
  store.scan(state_key::of_step(step), [&](std::string_view, std::string_view) {
    found = true;
    return false;
  });
  return found;
}

}  // namespace

void prepare_changelog(const RuntimeContext& context, const Stage& stage) {
  const std::string& topic = stage.resolved.topic->name;
  const std::string name = changelog_topic(context.options.consumer_group, topic);
  const auto input = context.log->topic(topic);
  TIDERACE_CHECK(input.has_value());
  TopicConfig config;
  config.num_partitions = input->config.num_partitions;
  config.replication_factor = input->config.replication_factor;
  config.compacted = true;
  if (context.log->create_topic(name, config)) return;
  const auto found = context.log->topic(name);
  if (found && found->config.num_partitions == config.num_partitions) return;
  throw_error(ErrorKind::config,
              "the changelog {} has {} partitions, its input {} has {}: keys have moved, their state has "
              "not. Use another consumer_group, or "
              "delete the changelog and the state directory to start without state",
              name, found ? found->config.num_partitions : 0, topic, config.num_partitions);
}

namespace {

/// Of the first record of a changelog.
ChangelogIdentity identity_of(const Records& first, const TopicPartition& changelog) {
  const Record& record = first.rows.front();
  if (record.key_view() == identity_key && record.value != nullptr) return read_identity(record.value_view());
  throw_error(
      ErrorKind::state,
      "{} partition {} does not begin as the changelog of an application does; it is another topic, or "
      "damaged. Use another consumer_group, or delete the topic and the state directory to start "
      "without state",
      changelog.topic, changelog.partition);
}

/// A partition that was added to the input has none in the changelog: keys have moved, their state has not.
void check_partition_of_changelog(const RuntimeContext& context, const TopicPartition& partition,
                                  const std::string& changelog) {
  const auto info = context.log->topic(changelog);
  if (info && partition.partition < info->config.num_partitions) return;
  throw_error(
      ErrorKind::config,
      "{} has a partition {}, its changelog {} has {} partitions: keys have moved, their state has not. Use "
      "another consumer_group, or delete the changelog and the state directory to start without state",
      partition.topic, partition.partition, changelog, info ? info->config.num_partitions : 0);
}

/// `first` is null where what was written was never committed.
void check_identity(const RuntimeContext& context, const TopicPartition& partition,
                    const TopicPartition& changelog, StateStore& store, const Records* first) {
  const std::string& group = context.options.consumer_group;
  if (first == nullptr && store.position().changelog_offset == 0) return;
  const ChangelogIdentity found =
      first != nullptr ? identity_of(*first, changelog) : ChangelogIdentity{"", group, partition.topic};
  if (found.group != group || found.topic != partition.topic) {
    throw_error(ErrorKind::config,
                "{} is the changelog of consumer_group {} and topic {}, not of {} and {}; use another "
                "consumer_group",
                changelog.topic, found.group, found.topic, group, partition.topic);
  }
  if (store.position().changelog_offset == 0) return;
  const auto own = store.get(identity_key);
  if (!own) {
    store.clear();  // it has read nothing but what was aborted, of this log or of another
  } else if (read_identity(*own) != found) {
    throw_error(ErrorKind::state,
                "the local state of {} partition {} belongs to the changelog of another log. Remove the "
                "directory {}/{}/{} to restore it from {}, or use another state_dir",
                partition.topic, partition.partition, context.options.state_dir, group, partition.topic,
                changelog.topic);
  }
}

}  // namespace

std::int64_t most_age_ms(const RuntimeContext& context, const TopicPartition& changelog) {
  const auto info = context.log->topic(changelog.topic);
  return (info ? info->config : TopicConfig()).deletions_kept_ms / 2;
}

OpenedState open_state(const RuntimeContext& context, const TopicPartition& partition, StateStores& stores,
                       std::pair<std::int64_t, std::int64_t> offsets) {
  const auto [first, end] = offsets;
  const TopicPartition changelog = changelog_of(context, partition);
  auto store = stores.open(store_name(context, partition));
  if (store->position().changelog_offset > end) {
    throw_error(ErrorKind::state,
                "the local state of {} partition {} is at offset {} of the changelog {}, which ends at {}: "
                "it belongs to another log. "
                "Remove the directory {}/{} to restore it from this one",
                partition.topic, partition.partition, store->position().changelog_offset, changelog.topic,
                end, context.options.state_dir, store_name(context, partition));
  }
  std::shared_ptr<const Records> begins;
  if (first < end) {
    // An empty store has use for all of it.
    begins = context.log->read(changelog, first, store->position().changelog_offset == 0 ? restore_bytes : 1);
    if (begins && begins->rows.empty()) begins = nullptr;
    check_identity(context, partition, changelog, *store, begins.get());
  }
  const StorePosition position = store->position();
  const bool goes_on = position.changelog_offset > 0 && end - position.changelog_offset > 1;  // 1: a mark
  const std::int64_t age_ms = std::abs(context.clock->wall_ms() - position.as_of_ms);
  if (goes_on && age_ms > most_age_ms(context, changelog)) {
    log(LogLevel::info,
        "the local state of {} partition {} is from longer ago than its changelog keeps deletions; it is "
        "restored anew",
        partition.topic, partition.partition);
    store->clear();
  }
  return {std::move(store), std::move(begins)};
}

void apply_changelog(StateStore& store, const Records& records, std::optional<std::int64_t> as_of_ms) {
  StorePosition position = store.position();
  std::vector<ChangeView> changes;
  changes.reserve(records.rows.size());
  for (const Record& record : records.rows) {
    ChangeView change{record.key_view(), std::nullopt};
    if (record.value != nullptr) change.value = record.value_view();
    if (const auto offset = input_offset_of(change)) position.input_offset = *offset;
    changes.push_back(change);
  }
  position.changelog_offset = records.next_offset;
  if (as_of_ms) position.as_of_ms = *as_of_ms;
  store.apply(std::move(changes), position);
}

std::unique_ptr<StateStore> restore(const RuntimeContext& context, const Stage& stage,
                                    const TopicPartition& partition, const std::function<bool()>& stopped) {
  if (!stage.stateful()) return memory_state_stores()->open("stateless");
  const TopicPartition changelog = changelog_of(context, partition);
  check_partition_of_changelog(context, partition, changelog.topic);
  const std::int64_t started_ms = context.clock->wall_ms();
  // Its former owner is done with it; but the state must not be older than the offsets, which are decided
  // apart.
  const auto [first, end] = context.log->decided_offsets(changelog);
  auto [store, begins] = open_state(context, partition, *context.stores, {first, end});
  const std::int64_t begin = std::max(store->position().changelog_offset, first);
  if (begin == end) return std::move(store);
  const bool anew = store->position().changelog_offset == 0;
  log(LogLevel::info, "restoring {} partition {}: changelog offsets {} to {}", partition.topic,
      partition.partition, begin, end);
  Progress progress("restoring " + partition.topic + "/" + std::to_string(partition.partition),
                    static_cast<std::uint64_t>(end - begin), *context.clock);
  const RestoreWatch watch(*context.metrics, *context.clock, partition,
                           static_cast<std::uint64_t>(end - begin));
  for (std::int64_t next = begin; next < end;) {
    if (stopped()) return nullptr;
    // What was read to be looked at is not read again: behind it the log goes on without moving.
    auto records = next == first ? std::move(begins) : nullptr;
    if (!records) records = context.log->read(changelog, next, restore_bytes);
    if (!records || records->next_offset <= next) break;
    // What is restored anew may be left half-way, and gone on with from there, for as long.
    const bool whole = anew || records->next_offset >= end;
    apply_changelog(*store, *records, whole ? std::optional(started_ms) : std::nullopt);
    next = records->next_offset;
    progress.reached(static_cast<std::uint64_t>(next - begin));
    watch.reached(static_cast<std::uint64_t>(next - begin));
  }
  return std::move(store);
}

void add_identity(const RuntimeContext& context, const Stage& stage, StateStore& store,
                  std::vector<Change>& changes) {
  if (store.get(identity_key)) return;
  changes.push_back(
      identity_change(new_changelog_identity(context.options.consumer_group, stage.resolved.topic->name)));
}

void compare_step_names(const Stage& stage, StateStore& store, std::vector<Change>& changes) {
  const auto value = store.get(step_names_key);
  std::vector<std::string> known;
  if (value) known = read_step_names(*value);
  std::vector<std::string> names = stage.resolved.states;
  std::sort(names.begin(), names.end());
  if (names == known) return;
  for (const std::string& name : names) {
    if (!value || std::binary_search(known.begin(), known.end(), name)) continue;
    if (has_state(store, name)) {
      log(LogLevel::warning,
          "{} goes on with the state that it left; rows that came since are not in it. Give the step another "
          "name= to start anew",
          name);
    } else {
      log(LogLevel::warning, "{} has no state yet and starts anew", name);
    }
  }
  for (const std::string& name : known) {
    if (!std::binary_search(names.begin(), names.end(), name)) {
      log(LogLevel::warning, "no step uses the state of {} any more; it is kept", name);
    }
  }
  changes.push_back(step_names_change(names));
}

}  // namespace tiderace
