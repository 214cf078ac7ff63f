#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "log/kafka/client.h"
#include "log/log.h"

namespace tiderace::kafka {

/// Topics, groups and offsets by Kafka's administrative requests. Any thread. Calls give up after 10 s.
class Topics {
 public:
  explicit Topics(const Connection& connection);
  virtual ~Topics() = default;

  bool create(const std::string& name, const TopicConfig& config);
  /// Kept for half a minute: rows ask for limits. Partitions that were added show after that.
  [[nodiscard]] std::optional<TopicInfo> find(const std::string& name);
  [[nodiscard]] std::vector<TopicInfo> all();
  [[nodiscard]] std::pair<std::int64_t, std::int64_t> offsets(const TopicPartition& partition);
  /// The same, asked once; throws BrokerAway where waiting may help.
  [[nodiscard]] std::pair<std::int64_t, std::int64_t> read_offsets(const TopicPartition& partition);
  /// Of these the second alone, the last stable offset.
  [[nodiscard]] std::int64_t read_stable_end(const TopicPartition& partition);
  /// One past the last record written, undecided or not.
  [[nodiscard]] std::int64_t written_offset(const TopicPartition& partition);
  /// First and one past the last offset, once no transaction is undecided that had written to the partition
  /// when this was called. Throws Error{broker} after two minutes: transactions time out earlier.
  [[nodiscard]] std::pair<std::int64_t, std::int64_t> decided_offsets(const TopicPartition& partition);

  struct GroupOffset {
    std::int64_t offset = -1;
    std::string metadata;
  };
  /// As they were last committed; a transaction that is still open does not count.
  [[nodiscard]] std::map<TopicPartition, GroupOffset> group_offsets(const std::string& group);
  /// That of one partition; offset -1 if it has none. `stable`: nullopt while a transaction that has one of
  /// it is undecided.
  [[nodiscard]] std::optional<GroupOffset> group_offset(const std::string& group,
                                                        const TopicPartition& partition, bool stable);
  [[nodiscard]] std::vector<std::string> groups();
  [[nodiscard]] GroupStatus group_status(const std::string& group);
  /// The offset of the first record of at least `timestamp_ms`; nullopt if there is none.
  [[nodiscard]] std::optional<std::int64_t> offset_at(const TopicPartition& partition,
                                                      std::int64_t timestamp_ms);
  /// The partitions that the members of `group` own; nullopt while it rebalances.
  [[nodiscard]] std::optional<std::set<TopicPartition>> owned_by(const std::string& group);

 protected:
  /// Fills in what the brokers say of a topic's settings.
  virtual void read_settings(TopicInfo& info);

 private:
  /// A client whose requests for a group go to whoever coordinates it, and how long an answer may take.
  struct Coordinator {
    rd_kafka_t* client;
    int timeout_ms;
  };
  struct Kept {
    TopicInfo info;
    std::int64_t read_ns;
  };

  /// What `request` returns; where waiting may help, asked again for some seconds.
  template <class Request>
  auto patiently(const Request& request);
  /// Sees what is committed, or all that is written. With the name of a group: for questions about that one.
  /// Has met the brokers.
  std::shared_ptr<Client> client(bool committed = true, const std::string& group = {});
  /// What `request(coordinator)` returns, asked as by `patiently`, of whoever coordinates `group` by now.
  template <class Request>
  auto ask_coordinator(const std::string& group, const Request& request);
  // Each asked once; throws BrokerAway where waiting may help.
  [[nodiscard]] std::vector<TopicInfo> read_all();
  /// Of `partition`, or of all. Those that are undecided are left out where only what is `stable` counts.
  [[nodiscard]] std::map<TopicPartition, GroupOffset> read_group_offsets(
      const Coordinator& coordinator, const std::string& group, bool stable,
      const std::optional<TopicPartition>& partition = std::nullopt);
  [[nodiscard]] std::vector<std::string> read_groups();
  [[nodiscard]] GroupStatus read_group_status(const Coordinator& coordinator, const std::string& group);
  /// `led`: only once all its partitions have a leader.
  [[nodiscard]] std::optional<TopicInfo> read(const std::string& name, bool led = false);

  const Connection& connection_;
  std::mutex mutex_;  ///< guards `clients_` and `kept_`
  std::map<std::pair<bool, std::string>, std::shared_ptr<Client>> clients_;
  std::map<std::string, Kept> kept_;
};

}  // namespace tiderace::kafka
