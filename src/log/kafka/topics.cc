#include "log/kafka/topics.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <thread>

#include "base/error.h"
#include "base/logging.h"
#include "log/topic_rules.h"

namespace tiderace::kafka {
namespace {

constexpr int request_ms = 5'000;
constexpr int first_coordinator_ms = 1'000;
constexpr std::int64_t patience_ns = 10'000'000'000;
constexpr std::int64_t kept_ns = 30'000'000'000;
constexpr std::int64_t default_message_bytes = 1'048'588;
/// What a record costs in a batch beside its key, value and headers, with room to spare.
constexpr std::int64_t record_overhead_bytes = 512;

using Options = Owned<rd_kafka_AdminOptions_t, rd_kafka_AdminOptions_destroy>;

/// Sends a request by `send(options, queue)` and waits for its answer.
template <class Send>
Event ask(rd_kafka_t* client, rd_kafka_admin_op_t operation, std::string_view doing, const Send& send,
          int timeout_ms = request_ms) {
  const Queue queue(rd_kafka_queue_new(client));
  const Options options(rd_kafka_AdminOptions_new(client, operation));
  char text[256];
  check(rd_kafka_AdminOptions_set_request_timeout(options.get(), timeout_ms, text, sizeof text), doing);
  send(options.get(), queue.get());
  Event event(rd_kafka_queue_poll(queue.get(), timeout_ms + 1'000));
  if (!event) check(RD_KAFKA_RESP_ERR__TIMED_OUT, doing);
  check(rd_kafka_event_error(event.get()), doing);
  return event;
}

struct Metadata {
  explicit Metadata(rd_kafka_t* client, const char* topic, std::string_view doing) {
    TopicHandle handle;
    if (topic != nullptr) handle.reset(rd_kafka_topic_new(client, topic, nullptr));
    check(rd_kafka_metadata(client, topic == nullptr ? 1 : 0, handle.get(), &found, request_ms), doing);
  }
  Metadata(const Metadata&) = delete;
  Metadata& operator=(const Metadata&) = delete;
  ~Metadata() {
    if (found != nullptr) rd_kafka_metadata_destroy(found);
  }
  const rd_kafka_metadata_t* found = nullptr;
};

TopicInfo info_of(const rd_kafka_metadata_topic_t& topic) {
  TopicInfo info;
  info.name = topic.topic;
  info.config.num_partitions = topic.partition_cnt;
  info.config.replication_factor =
      topic.partition_cnt == 0 ? std::int16_t{1} : static_cast<std::int16_t>(topic.partitions[0].replica_cnt);
  return info;
}

GroupState state_of(rd_kafka_consumer_group_state_t state) noexcept {
  switch (state) {
    case RD_KAFKA_CONSUMER_GROUP_STATE_EMPTY:
    case RD_KAFKA_CONSUMER_GROUP_STATE_DEAD:
      return GroupState::empty;
    case RD_KAFKA_CONSUMER_GROUP_STATE_STABLE:
      return GroupState::stable;
    default:
      return GroupState::rebalancing;
  }
}

GroupMember member_of(const rd_kafka_MemberDescription_t& description) {
  const char* instance = rd_kafka_MemberDescription_group_instance_id(&description);
  GroupMember member;
  member.id = rd_kafka_MemberDescription_consumer_id(&description);
  member.process = rd_kafka_MemberDescription_client_id(&description);
  member.name = fmt::format("{} at {}", instance != nullptr ? instance : member.id,
                            rd_kafka_MemberDescription_host(&description));
  const auto* partitions =
      rd_kafka_MemberAssignment_partitions(rd_kafka_MemberDescription_assignment(&description));
  for (int i = 0; partitions != nullptr && i < partitions->cnt; ++i)
    member.partitions.push_back(partition_of(partitions->elems[i]));
  return member;
}

std::int64_t integer(const char* text) {
  std::int64_t value = -1;
  const std::string_view view(text == nullptr ? "" : text);
  std::from_chars(view.data(), view.data() + view.size(), value);
  return value;
}

/// Kafka's largest number is none.
std::int64_t limit_ms(const char* text) {
  const std::int64_t value = integer(text);
  return value == INT64_MAX ? -1 : value;
}

/// What the brokers say to a topic that was to be made: whether another process has made it meanwhile.
bool had_been_there(rd_kafka_event_t* event, const std::string& doing) {
  std::size_t count = 0;
  const auto* results =
      rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event), &count);
  if (count == 0) throw error_of(RD_KAFKA_RESP_ERR_UNKNOWN, "no answer", doing);
  const auto code = rd_kafka_topic_result_error(results[0]);
  if (code == RD_KAFKA_RESP_ERR_NO_ERROR) return false;
  if (code == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS) return true;
  const char* const text = rd_kafka_topic_result_error_string(results[0]);
  const std::string why = text == nullptr ? rd_kafka_err2str(code) : text;
  const Error error = error_of(code, why, doing);
  // The controller has not heard of enough brokers for a while, and takes them for dead ("fenced"). What it
  // says of a cluster that has too few has the same code.
  const bool fenced =
      code == RD_KAFKA_RESP_ERR_INVALID_REPLICATION_FACTOR && why.find("fenced") != std::string::npos;
  if (fenced || is_passing(code)) throw BrokerAway(error);
  throw error;
}

}  // namespace

Topics::Topics(const Connection& connection) : connection_(connection) {}

template <class Request>
auto Topics::patiently(const Request& request) {
  const std::int64_t deadline = connection_.clock->steady_ns() + patience_ns;
  LogPace pace;
  for (;;) {
    try {
      return request();
    } catch (const BrokerAway& away) {
      const std::int64_t now_ns = connection_.clock->steady_ns();
      if (now_ns > deadline) throw;
      if (pace.note(1, now_ns) != 0) log(LogLevel::debug, "asking again: {}", away.what());
    }
    {
      const std::lock_guard lock(mutex_);
      for (const auto& [what, client] : clients_) client->serve();
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

std::shared_ptr<Client> Topics::client(bool committed, const std::string& group) {
  std::unique_lock lock(mutex_);
  std::shared_ptr<Client>& kept = clients_[{committed, group}];
  if (!kept) {
    // A consumer's client: it does not make topics by asking for them.
    Settings settings = {{"isolation.level", committed ? "read_committed" : "read_uncommitted"}};
    // Where a group's coordinator has moved, librdkafka asks for that of the client's own group, and takes it
    // for granted that it has one (https://github.com/confluentinc/librdkafka/issues/5040).
    if (!group.empty()) settings["group.id"] = group;
    kept = std::make_shared<Client>(RD_KAFKA_CONSUMER,
                                    connection_.config(settings, connection_.options.consumer_config));
  }
  const std::shared_ptr<Client> client = kept;
  lock.unlock();
  client->meet(patience_ns);
  return client;
}

template <class Request>
auto Topics::ask_coordinator(const std::string& group, const Request& request) {
  int timeout_ms = first_coordinator_ms;
  return patiently([&] {
    const std::int64_t begin_ns = connection_.clock->steady_ns();
    try {
      return request(Coordinator{client(true, group)->get(), timeout_ms});
    } catch (const BrokerAway&) {
      const bool timed_out =
          connection_.clock->steady_ns() - begin_ns >= timeout_ms * std::int64_t{1'000'000};
      if (timed_out) timeout_ms = std::min(2 * timeout_ms, request_ms);
      // librdkafka keeps where a group's coordinator is, and goes on asking that one when it has moved.
      const std::lock_guard lock(mutex_);
      clients_.erase({true, group});
      throw;
    }
  });
}

bool Topics::create(const std::string& name, const TopicConfig& config) {
  check_topic_name(name);
  if (find(name)) return false;
  const std::string doing = "create the topic " + name;
  char text[512];
  const Owned<rd_kafka_NewTopic_t, rd_kafka_NewTopic_destroy> topic(rd_kafka_NewTopic_new(
      name.c_str(), config.num_partitions, config.replication_factor, text, sizeof text));
  if (!topic) throw_error(ErrorKind::config, "Kafka: {}: {}", doing, text);
  const auto set = [&](const char* setting, const std::string& value) {
    check(rd_kafka_NewTopic_set_config(topic.get(), setting, value.c_str()), doing);
  };
  set("cleanup.policy", config.compacted ? "compact" : "delete");
  set("retention.ms", std::to_string(config.retention_ms));
  set("retention.bytes", std::to_string(config.retention_bytes));
  // Event times are whatever they are. Internal topics have the broker's clock, not that of a machine whose
  // clock is wrong.
  if (config.compacted) {
    set("message.timestamp.type", "LogAppendTime");
    set("delete.retention.ms", std::to_string(config.deletions_kept_ms));
  } else {
    set("message.timestamp.after.max.ms", std::to_string(INT64_MAX));
  }
  if (config.max_message_bytes > 0)
    set("max.message.bytes", std::to_string(config.max_message_bytes + record_overhead_bytes));
  rd_kafka_NewTopic_t* topics[] = {topic.get()};
  const bool existed = patiently([&] {
    const Event event =
        ask(client()->get(), RD_KAFKA_ADMIN_OP_CREATETOPICS, doing, [&](auto* options, auto* queue) {
          rd_kafka_CreateTopics(client()->get(), topics, 1, options, queue);
        });
    return had_been_there(event.get(), doing);
  });
  // The brokers hear of it one after the other: what one of them says is kept.
  patiently([&] {
    const std::optional<TopicInfo> info = read(name, true);
    if (!info) check(RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE, doing);
    const std::lock_guard lock(mutex_);
    kept_[name] = {*info, connection_.clock->steady_ns()};
  });
  return !existed;
}

std::optional<TopicInfo> Topics::find(const std::string& name) {
  const std::int64_t now = connection_.clock->steady_ns();
  {
    const std::lock_guard lock(mutex_);
    if (const auto found = kept_.find(name); found != kept_.end() && now - found->second.read_ns < kept_ns)
      return found->second.info;
  }
  std::optional<TopicInfo> info;
  try {
    info = patiently([&] { return read(name); });
  } catch (const BrokerAway&) {
    // What is known of it is better than nothing: rows that are to be written wait in memory.
    const std::lock_guard lock(mutex_);
    const auto found = kept_.find(name);
    if (found == kept_.end()) throw;
    found->second.read_ns = now;
    return found->second.info;
  }
  const std::lock_guard lock(mutex_);
  if (info)
    kept_[name] = {*info, now};
  else
    kept_.erase(name);
  return info;
}

std::optional<TopicInfo> Topics::read(const std::string& name, bool led) {
  const std::string doing = "look for the topic " + name;
  const Metadata metadata(client()->get(), name.c_str(), doing);
  if (metadata.found->topic_cnt == 0) return std::nullopt;
  const rd_kafka_metadata_topic_t& topic = metadata.found->topics[0];
  if (topic.err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART) return std::nullopt;
  const auto has_leader = [](const auto& partition) { return partition.leader >= 0; };
  if (led && !std::all_of(topic.partitions, topic.partitions + topic.partition_cnt, has_leader))
    return std::nullopt;
  if (topic.err != RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE) check(topic.err, doing);
  TopicInfo info = info_of(topic);
  read_settings(info);
  return info;
}

void Topics::read_settings(TopicInfo& info) {
  const std::string doing = "read the settings of the topic " + info.name;
  const Owned<rd_kafka_ConfigResource_t, rd_kafka_ConfigResource_destroy> resource(
      rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, info.name.c_str()));
  rd_kafka_ConfigResource_t* resources[] = {resource.get()};
  const Event event =
      ask(client()->get(), RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS, doing, [&](auto* options, auto* queue) {
        rd_kafka_DescribeConfigs(client()->get(), resources, 1, options, queue);
      });
  std::size_t count = 0;
  const auto* described =
      rd_kafka_DescribeConfigs_result_resources(rd_kafka_event_DescribeConfigs_result(event.get()), &count);
  if (count == 0) return;
  info.config.max_message_bytes = default_message_bytes - record_overhead_bytes;
  const auto code = rd_kafka_ConfigResource_error(described[0]);
  if (code == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED) {
    log(LogLevel::debug, "{}: not allowed; taken for Kafka's defaults", doing);
    return;
  }
  // The broker that was asked has not heard of it yet.
  check(code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART ? RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE : code,
        doing);
  bool broker_time = false;
  std::size_t entries = 0;
  const auto* settings = rd_kafka_ConfigResource_configs(described[0], &entries);
  for (std::size_t i = 0; i < entries; ++i) {
    const std::string_view name = rd_kafka_ConfigEntry_name(settings[i]);
    const char* value = rd_kafka_ConfigEntry_value(settings[i]);
    if (value == nullptr) continue;
    if (name == "cleanup.policy")
      info.config.compacted = std::string_view(value).find("compact") != std::string_view::npos;
    if (name == "delete.retention.ms") info.config.deletions_kept_ms = integer(value);
    if (name == "retention.ms") info.config.retention_ms = integer(value);
    if (name == "retention.bytes") info.config.retention_bytes = integer(value);
    if (name == "message.timestamp.type") broker_time = std::string_view(value) == "LogAppendTime";
    if (name == "message.timestamp.after.max.ms") info.config.max_timestamp_ahead_ms = limit_ms(value);
    if (name == "message.timestamp.before.max.ms") info.config.max_timestamp_behind_ms = limit_ms(value);
    if (name == "max.message.bytes") info.config.max_message_bytes = integer(value) - record_overhead_bytes;
  }
  if (broker_time) info.config.max_timestamp_ahead_ms = info.config.max_timestamp_behind_ms = -1;
}

std::vector<TopicInfo> Topics::all() {
  return patiently([this] { return read_all(); });
}

std::vector<TopicInfo> Topics::read_all() {
  const Metadata metadata(client()->get(), nullptr, "list topics");
  std::vector<TopicInfo> infos;
  for (int i = 0; i < metadata.found->topic_cnt; ++i) {
    const rd_kafka_metadata_topic_t& topic = metadata.found->topics[i];
    if (topic.err == RD_KAFKA_RESP_ERR_NO_ERROR && !std::string_view(topic.topic).starts_with("__"))
      infos.push_back(info_of(topic));
  }
  std::sort(infos.begin(), infos.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  return infos;
}

std::pair<std::int64_t, std::int64_t> Topics::offsets(const TopicPartition& partition) {
  return patiently([&] { return read_offsets(partition); });
}

std::pair<std::int64_t, std::int64_t> Topics::read_offsets(const TopicPartition& partition) {
  const std::shared_ptr<Client> asked = client();
  const std::int64_t first = query_offset(asked->get(), partition, RD_KAFKA_OFFSET_BEGINNING);
  return {first, query_offset(asked->get(), partition, RD_KAFKA_OFFSET_END)};
}

std::int64_t Topics::read_stable_end(const TopicPartition& partition) {
  return query_offset(client()->get(), partition, RD_KAFKA_OFFSET_END);
}

std::int64_t Topics::written_offset(const TopicPartition& partition) {
  return patiently([&] { return query_offset(client(false)->get(), partition, RD_KAFKA_OFFSET_END); });
}

std::pair<std::int64_t, std::int64_t> Topics::decided_offsets(const TopicPartition& partition) {
  constexpr std::int64_t longest_ns = 120'000'000'000;
  const std::int64_t begin_ns = connection_.clock->steady_ns();
  LongWait wait(begin_ns);
  // Not the end of later: those who write go on. It is less only where the log was cut by a new leader.
  std::int64_t written = std::numeric_limits<std::int64_t>::max();
  for (;;) {
    written = std::min(written, written_offset(partition));
    const auto decided = offsets(partition);
    if (decided.second >= written) return decided;
    const std::int64_t now_ns = connection_.clock->steady_ns();
    if (const auto waited_s = wait.due(now_ns)) {
      log(LogLevel::warning,
          "{} partition {}: waiting for a transaction that is undecided since {} s (last stable offset {}, "
          "end {})",
          partition.topic, partition.partition, *waited_s, decided.second, written);
    }
    if (now_ns - begin_ns > longest_ns) {
      throw_error(
          ErrorKind::broker,
          "Kafka: a transaction over {} partition {} is undecided for two minutes (its last stable offset is "
          "{}, its end {}); look for a producer that holds it open",
          partition.topic, partition.partition, decided.second, written);
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
}

std::map<TopicPartition, Topics::GroupOffset> Topics::group_offsets(const std::string& group) {
  return ask_coordinator(group,
                         [&](const Coordinator& asked) { return read_group_offsets(asked, group, false); });
}

std::optional<Topics::GroupOffset> Topics::group_offset(const std::string& group,
                                                        const TopicPartition& partition, bool stable) {
  const auto offsets = ask_coordinator(
      group, [&](const Coordinator& asked) { return read_group_offsets(asked, group, stable, partition); });
  const auto found = offsets.find(partition);
  return found == offsets.end() ? std::nullopt : std::optional(found->second);
}

std::map<TopicPartition, Topics::GroupOffset> Topics::read_group_offsets(
    const Coordinator& coordinator, const std::string& group, bool stable,
    const std::optional<TopicPartition>& partition) {
  const std::string doing = "ask for the offsets of the group " + group;
  PartitionList asked;
  if (partition) asked.add(*partition, RD_KAFKA_OFFSET_INVALID);
  const Owned<rd_kafka_ListConsumerGroupOffsets_t, rd_kafka_ListConsumerGroupOffsets_destroy> request(
      rd_kafka_ListConsumerGroupOffsets_new(group.c_str(), partition ? asked.get() : nullptr));
  rd_kafka_ListConsumerGroupOffsets_t* requests[] = {request.get()};
  const Event event = ask(
      coordinator.client, RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPOFFSETS, doing,
      [&](auto* options, auto* queue) {
        if (stable) {
          const Failure failure(rd_kafka_AdminOptions_set_require_stable_offsets(options, 1));
          if (failure) throw error_of(failure.get(), doing);
        }
        rd_kafka_ListConsumerGroupOffsets(coordinator.client, requests, 1, options, queue);
      },
      coordinator.timeout_ms);
  std::size_t count = 0;
  const auto* results = rd_kafka_ListConsumerGroupOffsets_result_groups(
      rd_kafka_event_ListConsumerGroupOffsets_result(event.get()), &count);
  std::map<TopicPartition, GroupOffset> found;
  if (count == 0) return found;
  if (const auto* error = rd_kafka_group_result_error(results[0]); error != nullptr)
    check(rd_kafka_error_code(error), doing);
  const auto* partitions = rd_kafka_group_result_partitions(results[0]);
  for (int i = 0; partitions != nullptr && i < partitions->cnt; ++i) {
    const auto& element = partitions->elems[i];
    if (element.err == RD_KAFKA_RESP_ERR_UNSTABLE_OFFSET_COMMIT) continue;
    check(element.err, doing);
    if (!partition && element.offset < 0) continue;
    GroupOffset& offset = found[partition_of(element)];
    offset.offset = std::max<std::int64_t>(element.offset, -1);
    if (element.metadata != nullptr)
      offset.metadata.assign(static_cast<const char*>(element.metadata), element.metadata_size);
  }
  return found;
}

std::vector<std::string> Topics::groups() {
  return patiently([this] { return read_groups(); });
}

std::vector<std::string> Topics::read_groups() {
  const Event event =
      ask(client()->get(), RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPS, "list groups",
          [&](auto* options, auto* queue) { rd_kafka_ListConsumerGroups(client()->get(), options, queue); });
  std::size_t count = 0;
  const auto* listings =
      rd_kafka_ListConsumerGroups_result_valid(rd_kafka_event_ListConsumerGroups_result(event.get()), &count);
  std::vector<std::string> names;
  for (std::size_t i = 0; i < count; ++i)
    names.emplace_back(rd_kafka_ConsumerGroupListing_group_id(listings[i]));
  std::sort(names.begin(), names.end());
  return names;
}

std::optional<std::set<TopicPartition>> Topics::owned_by(const std::string& group) {
  const GroupStatus status = group_status(group);
  if (status.state != GroupState::stable) return std::nullopt;
  std::set<TopicPartition> owned;
  for (const GroupMember& member : status.members)
    owned.insert(member.partitions.begin(), member.partitions.end());
  return owned;
}

GroupStatus Topics::group_status(const std::string& group) {
  return ask_coordinator(group, [&](const Coordinator& asked) { return read_group_status(asked, group); });
}

GroupStatus Topics::read_group_status(const Coordinator& coordinator, const std::string& group) {
  const std::string doing = "ask for the members of the group " + group;
  const char* names[] = {group.c_str()};
  const Event event = ask(
      coordinator.client, RD_KAFKA_ADMIN_OP_DESCRIBECONSUMERGROUPS, doing,
      [&](auto* options, auto* queue) {
        rd_kafka_DescribeConsumerGroups(coordinator.client, names, 1, options, queue);
      },
      coordinator.timeout_ms);
  std::size_t count = 0;
  const auto* descriptions = rd_kafka_DescribeConsumerGroups_result_groups(
      rd_kafka_event_DescribeConsumerGroups_result(event.get()), &count);
  GroupStatus status;
  if (count == 0) return status;
  if (const auto* error = rd_kafka_ConsumerGroupDescription_error(descriptions[0]); error != nullptr)
    check(rd_kafka_error_code(error), doing);
  status.state = state_of(rd_kafka_ConsumerGroupDescription_state(descriptions[0]));
  const std::size_t members = rd_kafka_ConsumerGroupDescription_member_count(descriptions[0]);
  for (std::size_t m = 0; m < members; ++m)
    status.members.push_back(member_of(*rd_kafka_ConsumerGroupDescription_member(descriptions[0], m)));
  return status;
}

std::optional<std::int64_t> Topics::offset_at(const TopicPartition& partition, std::int64_t timestamp_ms) {
  const std::int64_t offset =
      patiently([&] { return query_offset(client()->get(), partition, timestamp_ms); });
  return offset < 0 ? std::nullopt : std::optional(offset);
}

}  // namespace tiderace::kafka
