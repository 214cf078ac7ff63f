#include "runtime/standby/standby.h"

#include <algorithm>
#include <set>

#include "base/error.h"
#include "base/logging.h"
#include "runtime/recovery.h"
#include "runtime/standby/placement.h"

namespace tiderace {
namespace {

constexpr std::chrono::milliseconds poll_timeout{50};
constexpr std::int64_t members_interval_ns = 500'000'000;
constexpr std::int64_t away_pause_ns = 5'000'000'000;

}  // namespace

Standby::Standby(const RuntimeContext& context, const std::vector<std::unique_ptr<Stage>>& stages,
                 std::shared_ptr<StateStores> stores)
    : context_(context),
      stages_(stages),
      stores_(std::move(stores)),
      follower_(context.log->follower()),
      thread_([this] { run(); }) {}

Standby::~Standby() {
  stop_ = true;
  thread_.join();
}

std::unique_ptr<StateStore> Standby::open(const std::string& name) {
  {
    const std::lock_guard lock(mutex_);
    for (auto copy = copies_.begin(); copy != copies_.end(); ++copy) {
      if (store_name(context_, copy->second.input) != name) continue;
      const TopicPartition input = copy->second.input;
      auto store = std::move(copy->second.store);
      StorePosition position = store->position();
      position.as_of_ms = copy->second.as_of_ms;
      copies_.erase(copy);
      changed_ = true;
      store->apply(std::vector<ChangeView>(), position);
      log(LogLevel::debug, "{} partition {}: a copy of its state is here, up to changelog offset {}",
          input.topic, input.partition, position.changelog_offset);
      return store;
    }
  }
  return stores_->open(name);
}

void Standby::run() {
  std::int64_t next_ns = 0;
  while (!stop_) {
    const std::int64_t now_ns = context_.clock->steady_ns();
    try {
      if (now_ns >= next_ns) {
        next_ns = now_ns + members_interval_ns;
        follow_members();
      }
      std::map<TopicPartition, std::int64_t> positions;
      bool changed = false;
      {
        const std::lock_guard lock(mutex_);
        changed = std::exchange(changed_, false);
        for (const auto& [changelog, copy] : copies_)
          positions[changelog] = copy.store->position().changelog_offset;
      }
      if (changed) follower_->follow(positions);
      for (const auto& records : follower_->poll(poll_timeout)) apply(*records);
      report();
    } catch (const BrokerAway& away) {
      log(LogLevel::debug, "copies of state wait: {}", away.what());
      next_ns = now_ns + away_pause_ns;
    } catch (const Error& error) {
      // Copies are a convenience: whoever needs the state restores it, and meets what is wrong.
      log(LogLevel::warning, "no copies of state are kept for now: {}", error.what());
      context_.metrics->show_standbys({});
      const std::lock_guard lock(mutex_);
      copies_.clear();
      changed_ = true;
      next_ns = context_.clock->steady_ns() + away_pause_ns;
    }
  }
}

bool Standby::is_stateful(const std::string& topic) const {
  return std::any_of(stages_.begin(), stages_.end(), [&](const auto& stage) {
    return stage->stateful() && stage->resolved.topic->name == topic;
  });
}

void Standby::follow_members() {
  const GroupStatus status = context_.log->group_status(context_.options.consumer_group);
  if (status.state != GroupState::stable) return;  // until it is known who has what, copies stay as they are
  const auto wanted =
      standby_partitions(context_.log->process(), status.members, context_.options.standby_replicas);
  // What has become this process's own is kept until a worker opens it.
  std::set<TopicPartition> own;
  for (const GroupMember& member : status.members) {
    if (member.process == context_.log->process())
      own.insert(member.partitions.begin(), member.partitions.end());
  }
  {
    const std::lock_guard lock(mutex_);
    const auto gone = std::erase_if(copies_, [&](const auto& entry) {
      return !wanted.contains(entry.second.input) && !own.contains(entry.second.input);
    });
    changed_ = changed_ || gone > 0;
  }
  for (const TopicPartition& input : wanted) {
    if (!stop_ && is_stateful(input.topic)) open_copy(input);
  }
}

void Standby::report() {
  std::map<TopicPartition, StandbyReport> reports;
  {
    const std::lock_guard lock(mutex_);
    for (auto& [changelog, copy] : copies_) {
      const auto lag = follower_->lag(changelog);
      if (lag == 0) copy.as_of_ms = context_.clock->wall_ms();
      reports[copy.input] = {lag, copy.store->size_bytes()};
    }
  }
  context_.metrics->show_standbys(std::move(reports));
}

void Standby::open_copy(const TopicPartition& input) {
  const TopicPartition changelog = changelog_of(context_, input);
  {
    const std::lock_guard lock(mutex_);
    if (copies_.contains(changelog)) return;
  }
  const auto offsets = context_.log->offsets(changelog);
  if (offsets.first == offsets.second) return;  // nothing to follow yet
  try {
    const std::int64_t now_ms = context_.clock->wall_ms();
    auto store = open_state(context_, input, *stores_, offsets).store;
    const StorePosition position = store->position();
    const std::int64_t most_age = most_age_ms(context_, changelog);
    const std::lock_guard lock(mutex_);
    copies_[changelog] = {std::move(store), input,
                          position.changelog_offset == 0 ? now_ms : position.as_of_ms, most_age};
    changed_ = true;
  } catch (const StoreBusy&) {
    // A worker of this process has it still, or again.
  } catch (const BrokerAway&) {
    throw;
  } catch (const Error& error) {
    log(LogLevel::debug, "no copy of the state of {} partition {}: {}", input.topic, input.partition,
        error.what());
  }
}

void Standby::apply(const Records& records) {
  const std::lock_guard lock(mutex_);
  const auto copy = copies_.find({records.topic, records.partition});
  // One that went and came again is followed from where it is now.
  if (copy == copies_.end() || records.next_offset <= copy->second.store->position().changelog_offset) return;
  if (std::abs(context_.clock->wall_ms() - copy->second.as_of_ms) > copy->second.most_age_ms) {
    // It was cut off for too long. Taken up anew, it is found to be too old.
    copies_.erase(copy);
    changed_ = true;
    return;
  }
  apply_changelog(*copy->second.store, records, copy->second.as_of_ms);
}

}  // namespace tiderace
