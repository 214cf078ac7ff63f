#pragma once

#include <tiderace/options.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "columnar/records.h"

namespace tiderace {

struct TopicPartition {
  std::string topic;
  std::int32_t partition = 0;
  auto operator<=>(const TopicPartition&) const = default;
};

struct TopicConfig {
  std::int32_t num_partitions = 1;
  std::int16_t replication_factor = 1;  ///< Kafka only
  bool compacted = false;               ///< keep the last record of each key instead of a span of time
  /// How long a compacted topic keeps deletions, for those who read on after a while.
  std::int64_t deletions_kept_ms = std::chrono::milliseconds(std::chrono::hours(24)).count();
  std::int64_t retention_ms = -1;     ///< by record timestamp; -1: for ever
  std::int64_t retention_bytes = -1;  ///< per partition; -1: no limit
  /// The largest value + key + headers of one record. 0: the log's own default, 1 MiB on Kafka and 65 MiB (a
  /// 64 MiB value, its key and headers) in the memory and embedded logs. `Log::topic` tells the limit that
  /// holds, never 0.
  std::int64_t max_message_bytes = 0;
  /// Record timestamps further from the broker's clock than this are refused; -1: none is. Read only: topics
  /// are created without.
  std::int64_t max_timestamp_ahead_ms = -1;
  std::int64_t max_timestamp_behind_ms = -1;
};

struct TopicInfo {
  std::string name;
  TopicConfig config;
};

enum class OffsetReset { earliest, latest };

/// What a consumer of a group needs to know. In the embedded log a group belongs to one process at a time (a
/// lock of the operating system); its workers share the partitions by number: worker w of n owns the
/// partitions p with p % n == w.
struct ConsumerOptions {
  std::string group;
  int worker = 0;
  int workers = 1;
  OffsetReset auto_offset_reset = OffsetReset::earliest;
  std::size_t max_poll_bytes = 8u << 20;  ///< about how much one `poll` hands out of each partition
  std::string group_instance_id = {};     ///< Kafka only: static membership; empty: none
  OnLostOffset on_lost_offset = OnLostOffset::stop;
  /// It may be hours from `poll` to `poll`, as where what a file holds is looked through first. Kafka only.
  bool may_pause = false;
  /// Ends what `subscribe` may have to wait for; the consumer is then of no use. Null: nothing does.
  const std::atomic<bool>* stop = nullptr;
};

/// One `poll`: first what was taken away, then what was given, then rows.
struct PollResult {
  /// Still this member's until the next `poll`, so that what was done of them can be committed.
  std::vector<TopicPartition> revoked;
  /// Somebody else's already: what was done of them since the last commit must be thrown away.
  std::vector<TopicPartition> lost;
  std::vector<TopicPartition> assigned;  ///< nothing is read from one before `start`
  std::vector<std::shared_ptr<const Records>>
      records;  ///< whole runs, at most one of each partition, never empty ones
  /// Started partitions whose next row, once there is one, is at this offset or behind it: what is before it
  /// was compacted away, or is a mark of a transaction. After the rows of the same poll.
  std::vector<std::pair<TopicPartition, std::int64_t>> reached;
  /// Of each partition with rows here more of them wait than these: what comes of these need not hurry.
  bool behind = false;
  /// The group has said by now which partitions are this member's, be it none.
  bool rebalanced = false;
};

/// Where a group starts to read a partition.
struct StartOffset {
  std::int64_t offset = 0;
  bool committed = true;  ///< false: the group has no offset yet, `auto_offset_reset` says where
};

/// A member of a consumer group. One thread. Sees committed records only (read_committed). Every call may
/// throw Error{broker}.
class Consumer {
 public:
  virtual ~Consumer() = default;
  /// Once, before the first `poll`. A topic that does not exist is created with one partition. May wait for
  /// another process of the group.
  virtual void subscribe(const std::vector<std::string>& topics) = 0;
  /// Returns at once if there is anything to tell, else within 5 ms of the first commit by any process, else
  /// empty-handed after `timeout`. Never waits for a run to fill.
  virtual PollResult poll(std::chrono::milliseconds timeout) = 0;
  /// Reads an assigned partition from `offset` on (also to go back to one). A started partition stays so
  /// until revoked.
  virtual void start(const TopicPartition& partition, std::int64_t offset) = 0;
  /// Nothing more is wanted of a started partition until the next `start`; rows may come all the same.
  virtual void hold(const TopicPartition& /*partition*/) {}
  /// Where to begin: at `known`, which state has; else at the offset that the group committed; else where
  /// `auto_offset_reset` points. Where the log no longer has that offset, what `on_lost_offset` says: `stop`
  /// throws Error{broker}. Any thread.
  virtual StartOffset start_offset(const TopicPartition& partition,
                                   std::optional<std::int64_t> known = std::nullopt) = 0;
  /// One past the last committed record of a started partition, as far as it was heard of by the last `poll`,
  /// without asking anybody: for metrics. Transactions that are still open may be counted in while there are
  /// rows before them. Nullopt: not heard of yet.
  virtual std::optional<std::int64_t> heard_end_offset(const TopicPartition& partition) = 0;
  /// Whether no partition of the subscribed topics can come to this member any more with rows that were
  /// there: each is this member's, or committed to its end by another, or of another that is alive.
  virtual bool settled() { return true; }
};

/// A record to be written. Views need to live only through the call.
struct ProducerRecord {
  std::optional<std::string_view> key;
  std::optional<std::string_view> value;  ///< nullopt: a tombstone
  std::string_view headers;               ///< packed; empty: none
  std::int64_t timestamp_ms = 0;
};

struct OffsetCommit {
  TopicPartition partition;
  std::int64_t offset = 0;  ///< the next one to read
  bool given_back = false;  ///< its owner lets go of it with this commit
};

/// Thrown where what was sent since the last commit is gone and nothing else is: whoever sent it goes back to
/// the last commit and does it again, with a new producer.
class CommitLost : public Error {
 public:
  explicit CommitLost(const Error& error) : Error(error) {}
};

/// Thrown where the brokers do not answer: waiting may help.
class BrokerAway : public Error {
 public:
  explicit BrokerAway(const Error& error) : Error(error) {}
};

/// How a producer serves a member of a group.
struct ProducerOptions {
  class Consumer* member =
      nullptr;                ///< whose offsets `commit` writes; it outlives the producer. Null: no group's
  bool exactly_once = false;  ///< everything that is sent becomes visible with `commit` alone
  /// Without a member: exactly-once under a name that one producer has at a time. On Kafka `warm_up` takes it
  /// over from another; in the embedded log it waits for another process as a group does, then throws,
  /// and for another producer of the same log it throws at once.
  std::string transactional_id = {};
  bool stateful = false;  ///< `send_state` will be called
  /// Once it is set, brokers that are away are waited for for some seconds only. Null: for 10 s without a
  /// member, without end with one.
  const std::atomic<bool>* stop = nullptr;
  /// Set to the steady clock's nanoseconds while a call waits for brokers, to tell waiting from hanging.
  /// Null: nobody asks.
  std::atomic<std::int64_t>* heartbeat = nullptr;
};

/// Where a record stands in its topic.
struct Placement {
  std::int32_t partition = 0;
  std::int64_t offset = 0;
  bool operator==(const Placement&) const = default;
};

/// Writes records. One thread. What was sent becomes visible by `flush` or `commit`. Every call may throw
/// Error{broker}, or CommitLost.
///
/// In the memory and embedded logs it becomes visible all together or, after an exception, not at all. In
/// Kafka that holds for `commit` of what was sent by `send_state`, and under exactly-once of everything.
class Producer {
 public:
  virtual ~Producer() = default;
  /// Takes copies. The partition of each record: `partition` if not negative, else murmur2 of its key as
  /// Kafka's Java client has it, else (no key) one partition after the other, a run at a time. The topic must
  /// exist.
  virtual void send(std::string_view topic, std::span<const ProducerRecord> records,
                    std::int32_t partition = -1) = 0;
  /// The same for changes of state, which are visible together with the offsets of the next `commit` or not
  /// at all.
  virtual void send_state(std::string_view topic, std::span<const ProducerRecord> records,
                          std::int32_t partition) {
    send(topic, records, partition);
  }
  /// Who it is for `Log::take_over`; empty where nothing has to be claimed. Any thread.
  [[nodiscard]] virtual std::string identity() const { return {}; }
  /// Does what takes time at first, before rows wait for it. With a `transactional_id` nobody else writes
  /// under it afterwards, and all that was written under it before is decided.
  virtual void warm_up() {}
  /// Before anything of partitions that were taken over is read, and with nothing sent since the last commit:
  /// makes it known that they are this member's, at the group's `offsets`. False if the group is about to
  /// share them out anew: ask again, if they are still this member's then.
  virtual bool claim(std::span<const OffsetCommit> /*offsets*/) { return true; }
  /// Makes what was sent visible soon, without offsets and without waiting longer than it takes to write it.
  virtual void flush() = 0;
  /// Makes what was sent visible together with the offsets of `group`, atomically. Returns the end offset
  /// (one past the last record written) of every partition that got records.
  virtual std::map<TopicPartition, std::int64_t> commit(const std::string& group,
                                                        std::span<const OffsetCommit> offsets) = 0;
  /// `commit` in two steps, between which, except under exactly-once, more may be sent, for the next one.
  virtual void begin_commit(const std::string& group, std::span<const OffsetCommit> offsets) {
    begun_ = commit(group, offsets);
  }
  /// Whether `end_commit` will not wait; to be asked now and then, for it may see to what comes next.
  [[nodiscard]] virtual bool commit_ended() { return true; }
  /// Whether it is too late to take the commit back; until then `abort` does.
  [[nodiscard]] virtual bool is_deciding() const { return true; }
  /// Returns and throws what `commit` does.
  virtual std::map<TopicPartition, std::int64_t> end_commit() { return std::exchange(begun_, {}); }
  /// With a `transactional_id`: where the records of the last commit stand, in the order of sending. Once a
  /// commit.
  [[nodiscard]] virtual std::vector<Placement> take_placements() { return {}; }
  /// Forgets what was sent and is not visible yet. A commit that was begun may have been made or not.
  virtual void abort() noexcept = 0;

 private:
  std::map<TopicPartition, std::int64_t> begun_;
};

/// A member of a group, as the log knows it.
struct GroupMember {
  std::string name;                        ///< who it is and where, for a person
  std::vector<TopicPartition> partitions;  ///< what it owns; empty in the embedded log: it owns everything
  std::string id = {};                     ///< Kafka's
  std::string process = {};                ///< the same for all members of a process
};

enum class GroupState { empty, rebalancing, stable };

struct GroupStatus {
  GroupState state = GroupState::empty;
  std::vector<GroupMember> members;
};

/// Reads partitions outside any group, many at a time. One thread. Sees committed records only.
class Follower {
 public:
  virtual ~Follower() = default;
  /// These partitions, of topics that exist, each from its offset on, in place of those that it followed.
  virtual void follow(const std::map<TopicPartition, std::int64_t>& positions) = 0;
  /// What has come, whole runs, at most one of each partition, as soon as there is any; empty-handed after
  /// `timeout`. Throws Error{broker}.
  virtual std::vector<std::shared_ptr<const Records>> poll(std::chrono::milliseconds timeout) = 0;
  /// Offsets between where a partition that it follows is read and its end, as far as it was heard of.
  [[nodiscard]] virtual std::optional<std::int64_t> lag(const TopicPartition& partition) const = 0;
  /// The next offset that it reads, past what brings no record; nullopt: behind the last record.
  [[nodiscard]] virtual std::optional<std::int64_t> position(const TopicPartition& /*partition*/) const {
    return std::nullopt;
  }
};

/// A broker, or what serves as one. Any thread; consumers and producers that it makes must not outlive it.
/// Nothing is opened before the first call that needs it. Every call may throw Error{broker}.
class Log {
 public:
  virtual ~Log() = default;
  virtual std::unique_ptr<Consumer> consumer(const ConsumerOptions& options) = 0;
  virtual std::unique_ptr<Producer> producer(const ProducerOptions& options = {}) = 0;
  /// Reads one partition outside any group, for changelogs and `topic read`: whole runs from `offset` on,
  /// empty at the end.
  virtual std::shared_ptr<const Records> read(const TopicPartition& partition, std::int64_t offset,
                                              std::size_t max_bytes) = 0;
  /// First and one past the last offset.
  virtual std::pair<std::int64_t, std::int64_t> offsets(const TopicPartition& partition) = 0;
  /// One past the last record written, be its transaction still open: whoever reads gets there once that is
  /// decided. A commit returns before each partition has heard of it.
  virtual std::int64_t written_offset(const TopicPartition& partition) { return offsets(partition).second; }
  /// First and one past the last offset, once all that was written before is decided.
  virtual std::pair<std::int64_t, std::int64_t> decided_offsets(const TopicPartition& partition) {
    return offsets(partition);
  }
  /// For a partition that the group has just given to the member whose producer is `identity`: ends what a
  /// dead owner has left open. Returns once nobody else can commit for it; false if `cancelled` came before.
  virtual bool take_over(const std::string& /*group*/, const TopicPartition& /*partition*/,
                         const std::string& /*identity*/, const std::atomic<bool>& /*cancelled*/) {
    return true;
  }
  virtual std::unique_ptr<Follower> follower() = 0;
  /// What `GroupMember::process` is for the members of this process; empty where there are no others.
  [[nodiscard]] virtual std::string process() const { return {}; }
  /// Creates `name`; false if it exists already (its settings stay as they are).
  virtual bool create_topic(const std::string& name, const TopicConfig& config) = 0;
  virtual std::optional<TopicInfo> topic(const std::string& name) = 0;
  virtual std::vector<TopicInfo> topics() = 0;
  /// The committed offsets of `group`; empty if it has none.
  virtual std::map<TopicPartition, std::int64_t> group_offsets(const std::string& group) = 0;
  virtual std::vector<std::string> groups() = 0;
  /// Who is at work as `group`; `empty` also where nobody has heard of it.
  virtual GroupStatus group_status(const std::string& group) = 0;
  /// The offset of the first record whose timestamp is at least `timestamp_ms`; the end if there is none.
  virtual std::int64_t offset_at(const TopicPartition& partition, std::int64_t timestamp_ms) = 0;
};

/// Kafka's murmur2 over `key` as its Java client has it: `toPositive(murmur2(key)) % partitions`.
[[nodiscard]] std::int32_t partition_of(std::string_view key, std::int32_t partitions) noexcept;

}  // namespace tiderace
