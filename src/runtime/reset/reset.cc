#include "runtime/reset/reset.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <map>
#include <set>

#include "base/clock.h"
#include "base/error.h"
#include "runtime/stage.h"
#include "runtime/state_format.h"

namespace tiderace {
namespace {

constexpr std::size_t read_bytes = 8u << 20;
constexpr std::size_t send_records = 10'000;
constexpr std::chrono::milliseconds poll_time{50};
constexpr std::int64_t join_ns = 60'000'000'000;

template <class... F>
struct Overloaded : F... {
  using F::operator()...;
};

std::int64_t target_offset(Log& log, const TopicPartition& partition, const ResetTarget& target) {
  const auto [first, end] = log.offsets(partition);
  return std::visit(
      Overloaded{[&](const ResetToEarliest&) { return first; }, [&](const ResetToLatest&) { return end; },
                 [&](const ResetToTime& time) { return log.offset_at(partition, time.timestamp_ms); },
                 [&](const ResetToOffset& wanted) {
                   if (wanted.offset < first || wanted.offset > end) {
                     throw_error(ErrorKind::config,
                                 "{} partition {} has the offsets {} to {}, wanted {}; name one of them, or "
                                 "another partition",
                                 partition.topic, partition.partition, first, end, wanted.offset);
                   }
                   return wanted.offset;
                 }},
      target);
}

/// The group's only member, for the time of a reset.
class SoleMember {
 public:
  SoleMember(Log& log, const ResetPlan& plan) : log_(log), plan_(plan) {
    ConsumerOptions options;
    options.group = plan.group;
    // What is to be moved may be gone already.
    options.on_lost_offset = OnLostOffset::earliest;
    consumer_ = log.consumer(options);
    ProducerOptions producer;
    producer.member = consumer_.get();
    producer.stateful = plan.stateful;
    producer_ = log.producer(producer);
    consumer_->subscribe({plan.topic});
    join();
    claim();
  }

  [[nodiscard]] Producer& producer() noexcept { return *producer_; }

  /// Stays in the group. Throws where somebody else has come.
  void stay() {
    note(consumer_->poll(std::chrono::milliseconds(0)));
    if (!owns_all()) throw_not_alone();
  }

 private:
  void note(const PollResult& result) {
    for (const auto* gone : {&result.revoked, &result.lost}) {
      for (const TopicPartition& partition : *gone) owned_.erase(partition);
    }
    owned_.insert(result.assigned.begin(), result.assigned.end());
  }

  [[nodiscard]] bool owns_all() const {
    return std::all_of(plan_.moves.begin(), plan_.moves.end(),
                       [&](const ResetMove& move) { return owned_.contains(move.partition); });
  }

  [[noreturn]] void throw_not_alone() const {
    throw_error(ErrorKind::broker,
                "group {}: somebody else has joined it meanwhile, nothing is changed; stop all processes of "
                "the group and try again",
                plan_.group);
  }

  void join() {
    const std::int64_t deadline = system_clock().steady_ns() + join_ns;
    while (!owns_all()) {
      if (system_clock().steady_ns() > deadline) throw_not_alone();
      note(consumer_->poll(poll_time));
    }
  }

  void claim() {
    const std::atomic<bool> cancelled{false};
    std::vector<OffsetCommit> claims;
    for (const ResetMove& move : plan_.moves) {
      log_.take_over(plan_.group, move.partition, producer_->identity(), cancelled);
      claims.push_back({move.partition, consumer_->start_offset(move.partition).offset});
    }
    while (!producer_->claim(claims)) {
      note(consumer_->poll(poll_time));
      if (!owns_all()) throw_not_alone();
    }
  }

  Log& log_;
  const ResetPlan& plan_;
  std::unique_ptr<Consumer> consumer_;  // before the producer, which commits its offsets
  std::unique_ptr<Producer> producer_;
  std::set<TopicPartition> owned_;
};

/// The keys that the changelog has a value of; nullopt if nothing was ever written to it.
std::optional<std::set<std::string, std::less<>>> live_keys(Log& log, const TopicPartition& changelog,
                                                            SoleMember& member) {
  const auto [first, end] = log.decided_offsets(changelog);
  std::set<std::string, std::less<>> keys;
  bool found = false;
  for (std::int64_t offset = first; offset < end;) {
    const auto records = log.read(changelog, offset, read_bytes);
    if (records->rows.empty()) break;
    found = true;
    for (const Record& record : records->rows) {
      if (record.value != nullptr)
        keys.emplace(record.key_view());
      else if (const auto gone = keys.find(record.key_view()); gone != keys.end())
        keys.erase(gone);
    }
    offset = records->next_offset;
    member.stay();
  }
  if (!found) return std::nullopt;
  return keys;
}

/// The changes that bring the state of a partition to where it is to be.
std::vector<Change> changes_of(Log& log, const ResetMove& move, const TopicPartition& changelog,
                               ResetState state, SoleMember& member) {
  std::vector<Change> changes;
  const auto keys = live_keys(log, changelog, member);
  if (!keys) return changes;
  for (const std::string& key : *keys) {
    // Whose changelog it is stays so.
    if (state == ResetState::anew && key != identity_key) changes.push_back({key, std::nullopt});
  }
  changes.push_back(position_change(move.to));
  return changes;
}

void send(Producer& producer, const TopicPartition& changelog, const std::vector<Change>& changes) {
  const std::int64_t now_ms = system_clock().wall_ms();
  std::vector<ProducerRecord> records;
  for (const Change& change : changes) {
    records.push_back({change.key, change.value, {}, now_ms});
    if (records.size() < send_records && &change != &changes.back()) continue;
    producer.send_state(changelog.topic, records, changelog.partition);
    records.clear();
  }
}

}  // namespace

ResetPlan plan_reset(Log& log, const std::string& group, const std::string& topic,
                     std::optional<std::int32_t> partition, const ResetTarget& target) {
  const auto info = log.topic(topic);
  if (!info) throw_error(ErrorKind::config, "there is no topic \"{}\"", topic);
  const std::int32_t partitions = info->config.num_partitions;
  if (partition && (*partition < 0 || *partition >= partitions)) {
    throw_error(ErrorKind::config, "there is no partition {} in topic \"{}\"; it has {}", *partition, topic,
                partitions);
  }
  ResetPlan plan{group, topic, {}, log.topic(changelog_topic(group, topic)).has_value()};
  const auto committed = log.group_offsets(group);
  for (std::int32_t p = partition.value_or(0); p < (partition ? *partition + 1 : partitions); ++p) {
    ResetMove move{{topic, p}, std::nullopt, target_offset(log, {topic, p}, target), 0};
    if (const auto found = committed.find(move.partition); found != committed.end())
      move.from = found->second;
    move.end_offset = log.offsets(move.partition).second;
    plan.moves.push_back(std::move(move));
  }
  return plan;
}

std::string members_in_the_way(Log& log, const std::string& group) {
  const GroupStatus status = log.group_status(group);
  std::string names;
  for (const GroupMember& member : status.members) names += (names.empty() ? "" : ", ") + member.name;
  if (names.empty() && status.state != GroupState::empty) return "members that are joining";
  return names;
}

void reset_group(Log& log, const ResetPlan& plan, std::optional<ResetState> state) {
  if (const std::string members = members_in_the_way(log, plan.group); !members.empty()) {
    throw_error(ErrorKind::config,
                "group {} has members ({}), which would commit over what is set; stop them first", plan.group,
                members);
  }
  if (plan.stateful && !state) {
    throw_error(
        ErrorKind::config,
        "group {} keeps state of {} (changelog {}), which belongs to the present offsets; say whether "
        "it begins anew or is kept as it is",
        plan.group, plan.topic, changelog_topic(plan.group, plan.topic));
  }
  SoleMember member(log, plan);
  std::vector<OffsetCommit> offsets;
  std::map<TopicPartition, std::vector<Change>> changes;
  for (const ResetMove& move : plan.moves) {
    offsets.push_back({move.partition, move.to, true});
    if (!plan.stateful) continue;
    const TopicPartition changelog{changelog_topic(plan.group, plan.topic), move.partition.partition};
    changes[changelog] = changes_of(log, move, changelog, *state, member);
  }
  // Only now, in one go: a transaction has a minute.
  for (const auto& [changelog, of_partition] : changes) send(member.producer(), changelog, of_partition);
  member.stay();
  member.producer().commit(plan.group, offsets);
}

}  // namespace tiderace
