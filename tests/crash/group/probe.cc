// Asks Kafka by librdkafka alone, for the verdict on what the engine did.
//
//   kafka_probe dump BROKERS TOPIC
//     Each record that a read_committed consumer sees, to the end that its partition has now, as one line:
//     {"partition":0,"offset":17,"key":"k1","row":VALUE}
//   kafka_probe state BROKERS GROUP TOPIC...
//     For each partition one line: topic, partition, what the group has committed (-1: nothing), the last
//     stable offset (what an open transaction holds back), the end.
//   kafka_probe members BROKERS GROUP
//     For each partition that a member of the group has one line: the member's client.id, topic, partition.
//   kafka_probe watch BROKERS TOPIC FILE
//     Until SIGTERM, what comes, as a read_committed consumer sees it: an `Arrival` a record, in FILE.
//     Prints a line when it has begun.
//   kafka_probe ends BROKERS TOPIC
//     Until SIGTERM, ten times a second, a line: the sum of the ends of all partitions.
//   kafka_probe committed BROKERS TOPIC GROUP
//     The same of the offsets that the group has committed.
//   kafka_probe delete BROKERS TOPIC

#include <fmt/format.h>
#include <librdkafka/rdkafka.h>

#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace {

constexpr int request_ms = 30'000;
volatile std::sig_atomic_t stopped = 0;

struct Arrival {
  std::int64_t arrived_ns;  ///< CLOCK_REALTIME
  std::int64_t sent_ns;     ///< the row's field "sent"; 0: it has none
  std::int64_t offset;
  std::int64_t partition;
};

struct Destroy {
  void operator()(rd_kafka_t* client) const { rd_kafka_destroy(client); }
  void operator()(rd_kafka_message_t* message) const { rd_kafka_message_destroy(message); }
  void operator()(rd_kafka_topic_partition_list_t* list) const {
    rd_kafka_topic_partition_list_destroy(list);
  }
};
using Client = std::unique_ptr<rd_kafka_t, Destroy>;
using Message = std::unique_ptr<rd_kafka_message_t, Destroy>;
using Partitions = std::unique_ptr<rd_kafka_topic_partition_list_t, Destroy>;

[[noreturn]] void fail(std::string_view doing, rd_kafka_resp_err_t code) {
  fmt::print(stderr, "kafka_probe: {}: {}\n", doing, rd_kafka_err2str(code));
  std::exit(1);
}

void check(std::string_view doing, rd_kafka_resp_err_t code) {
  if (code != RD_KAFKA_RESP_ERR_NO_ERROR) fail(doing, code);
}

Client consumer(const std::string& brokers, const std::string& group, const char* isolation) {
  rd_kafka_conf_t* conf = rd_kafka_conf_new();
  char text[512];
  const std::map<std::string, std::string> settings = {
      {"bootstrap.servers", brokers},        {"group.id", group},
      {"isolation.level", isolation},        {"enable.auto.commit", "false"},
      {"enable.auto.offset.store", "false"}, {"fetch.wait.max.ms", "100"},
      {"enable.partition.eof", "true"},      {"log_level", "2"},
      {"fetch.error.backoff.ms", "50"},      {"reconnect.backoff.max.ms", "500"}};
  for (const auto& [name, value] : settings) {
    if (rd_kafka_conf_set(conf, name.c_str(), value.c_str(), text, sizeof text) != RD_KAFKA_CONF_OK) {
      fmt::print(stderr, "kafka_probe: {}\n", text);
      std::exit(1);
    }
  }
  rd_kafka_t* client = rd_kafka_new(RD_KAFKA_CONSUMER, conf, text, sizeof text);
  if (client == nullptr) {
    fmt::print(stderr, "kafka_probe: {}\n", text);
    std::exit(1);
  }
  rd_kafka_poll_set_consumer(client);
  return Client(client);
}

int partitions_of(rd_kafka_t* client, const std::string& name) {
  rd_kafka_topic_t* topic = rd_kafka_topic_new(client, name.c_str(), nullptr);
  const rd_kafka_metadata_t* metadata = nullptr;
  check(name, rd_kafka_metadata(client, 0, topic, &metadata, request_ms));
  check(name, metadata->topics[0].err);
  const int count = metadata->topics[0].partition_cnt;
  rd_kafka_metadata_destroy(metadata);
  rd_kafka_topic_destroy(topic);
  return count;
}

std::int64_t end_of(rd_kafka_t* client, const std::string& topic, int partition) {
  std::int64_t first = 0, end = 0;
  check(topic, rd_kafka_query_watermark_offsets(client, topic.c_str(), partition, &first, &end, request_ms));
  return end;
}

Partitions all_of(rd_kafka_t* client, const std::string& topic, std::int64_t offset) {
  Partitions list(rd_kafka_topic_partition_list_new(8));
  for (int p = 0; p < partitions_of(client, topic); ++p)
    rd_kafka_topic_partition_list_add(list.get(), topic.c_str(), p)->offset = offset;
  return list;
}

std::string_view text_of(const void* bytes, std::size_t size) {
  return bytes == nullptr ? std::string_view() : std::string_view(static_cast<const char*>(bytes), size);
}

int dump(const std::string& brokers, const std::string& topic) {
  const Client client = consumer(brokers, "kafka-probe", "read_committed");
  const Partitions list = all_of(client.get(), topic, RD_KAFKA_OFFSET_BEGINNING);
  std::map<int, std::int64_t> ends;
  for (int i = 0; i < list->cnt; ++i) {
    const std::int64_t end = end_of(client.get(), topic, list->elems[i].partition);
    if (end > 0) ends[list->elems[i].partition] = end;
  }
  check("assign", rd_kafka_assign(client.get(), list.get()));
  while (!ends.empty()) {
    const Message message(rd_kafka_consumer_poll(client.get(), 200));
    if (!message) continue;
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
      fmt::print("{{\"partition\":{},\"offset\":{},\"key\":\"{}\",\"row\":{}}}\n", message->partition,
                 message->offset, text_of(message->key, message->key_len),
                 text_of(message->payload, message->len));
    } else if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF &&
               message->offset >= ends[message->partition]) {
      ends.erase(message->partition);  // behind the mark of the last transaction, which is no record
    }
  }
  return 0;
}

int state(const std::string& brokers, const std::string& group, const std::vector<std::string>& topics) {
  const Client stable = consumer(brokers, group, "read_committed");
  const Client all = consumer(brokers, group, "read_uncommitted");
  for (const std::string& topic : topics) {
    const Partitions list = all_of(stable.get(), topic, RD_KAFKA_OFFSET_INVALID);
    check("committed offsets", rd_kafka_committed(stable.get(), list.get(), request_ms));
    for (int i = 0; i < list->cnt; ++i) {
      const int partition = list->elems[i].partition;
      const std::int64_t end = end_of(all.get(), topic, partition);
      fmt::print("{} {} {} {} {}\n", topic, partition, std::max<std::int64_t>(list->elems[i].offset, -1),
                 end_of(stable.get(), topic, partition), end);
    }
  }
  return 0;
}

int members(const std::string& brokers, const std::string& group) {
  const Client client = consumer(brokers, "kafka-probe", "read_committed");
  const char* const groups[] = {group.c_str()};
  rd_kafka_queue_t* const queue = rd_kafka_queue_new(client.get());
  rd_kafka_DescribeConsumerGroups(client.get(), const_cast<const char**>(groups), 1, nullptr, queue);
  rd_kafka_event_t* const event = rd_kafka_queue_poll(queue, request_ms);
  check("members", event == nullptr ? RD_KAFKA_RESP_ERR__TIMED_OUT : rd_kafka_event_error(event));
  std::size_t count = 0;
  const auto* const described = rd_kafka_DescribeConsumerGroups_result_groups(
      rd_kafka_event_DescribeConsumerGroups_result(event), &count);
  check("members", rd_kafka_error_code(rd_kafka_ConsumerGroupDescription_error(described[0])));
  for (std::size_t i = 0; i < rd_kafka_ConsumerGroupDescription_member_count(described[0]); ++i) {
    const auto* const member = rd_kafka_ConsumerGroupDescription_member(described[0], i);
    const auto* const assignment = rd_kafka_MemberDescription_assignment(member);
    if (assignment == nullptr) continue;
    const auto* const partitions = rd_kafka_MemberAssignment_partitions(assignment);
    for (int p = 0; p < partitions->cnt; ++p) {
      fmt::print("{} {} {}\n", rd_kafka_MemberDescription_client_id(member), partitions->elems[p].topic,
                 partitions->elems[p].partition);
    }
  }
  rd_kafka_event_destroy(event);
  rd_kafka_queue_destroy(queue);
  return 0;
}

std::int64_t now_ns() {
  timespec time;
  ::clock_gettime(CLOCK_REALTIME, &time);
  return time.tv_sec * 1'000'000'000 + time.tv_nsec;
}

std::int64_t sent_ns(std::string_view row) {
  constexpr std::string_view field = "\"sent\":";
  const std::size_t at = row.find(field);
  return at == std::string_view::npos ? 0
                                      : std::atoll(std::string(row.substr(at + field.size(), 20)).c_str());
}

int watch(const std::string& brokers, const std::string& topic, const char* path) {
  std::FILE* const file = std::fopen(path, "wb");
  if (file == nullptr) return 1;
  std::signal(SIGTERM, [](int) { stopped = 1; });
  const Client client = consumer(brokers, "kafka-probe", "read_committed");
  const Partitions list = all_of(client.get(), topic, RD_KAFKA_OFFSET_BEGINNING);
  check("assign", rd_kafka_assign(client.get(), list.get()));
  fmt::print("watching\n");
  std::fflush(stdout);
  while (stopped == 0) {
    const Message message(rd_kafka_consumer_poll(client.get(), 50));
    if (!message) std::fflush(file);  // who waits for the last rows sees them
    if (!message || message->err != RD_KAFKA_RESP_ERR_NO_ERROR) continue;
    const Arrival arrival{.arrived_ns = now_ns(),
                          .sent_ns = sent_ns(text_of(message->payload, message->len)),
                          .offset = message->offset,
                          .partition = message->partition};
    std::fwrite(&arrival, sizeof arrival, 1, file);
  }
  return std::fclose(file);
}

std::int64_t committed(rd_kafka_t* client, const std::string& topic, int partitions) {
  const Partitions list(rd_kafka_topic_partition_list_new(partitions));
  rd_kafka_topic_partition_list_add_range(list.get(), topic.c_str(), 0, partitions - 1);
  // Who coordinates the group may only be coming to it: what is not known counts from the next look on.
  if (rd_kafka_committed(client, list.get(), request_ms) != RD_KAFKA_RESP_ERR_NO_ERROR) return 0;
  std::int64_t sum = 0;
  for (int i = 0; i < list->cnt; ++i) sum += std::max<std::int64_t>(list->elems[i].offset, 0);
  return sum;
}

std::int64_t ends(rd_kafka_t* client, const std::string& topic, int partitions) {
  std::int64_t sum = 0;
  for (int p = 0; p < partitions; ++p) sum += end_of(client, topic, p);
  return sum;
}

/// Prints what `count` gives for all partitions of the topic, again and again.
int follow(const std::string& brokers, const std::string& topic, const std::string& group,
           std::int64_t (*count)(rd_kafka_t*, const std::string&, int)) {
  std::signal(SIGTERM, [](int) { stopped = 1; });
  const Client client = consumer(brokers, group, "read_uncommitted");
  const int partitions = partitions_of(client.get(), topic);
  while (stopped == 0) {
    fmt::print("{}\n", count(client.get(), topic, partitions));
    std::fflush(stdout);
    const timespec pause{.tv_sec = 0, .tv_nsec = 100'000'000};
    ::nanosleep(&pause, nullptr);
  }
  return 0;
}

int remove(const std::string& brokers, const std::string& topic) {
  const Client client = consumer(brokers, "kafka-probe", "read_committed");
  rd_kafka_DeleteTopic_t* topics[] = {rd_kafka_DeleteTopic_new(topic.c_str())};
  rd_kafka_queue_t* const queue = rd_kafka_queue_new(client.get());
  rd_kafka_DeleteTopics(client.get(), topics, 1, nullptr, queue);
  rd_kafka_event_t* const event = rd_kafka_queue_poll(queue, request_ms);
  check("delete " + topic, event == nullptr ? RD_KAFKA_RESP_ERR__TIMED_OUT : rd_kafka_event_error(event));
  rd_kafka_event_destroy(event);
  rd_kafka_queue_destroy(queue);
  rd_kafka_DeleteTopic_destroy(topics[0]);
  return 0;
}

}  // namespace

int main(int count, char** values) {
  const std::vector<std::string> arguments(values + 1, values + count);
  if (arguments.size() == 3 && arguments[0] == "dump") return dump(arguments[1], arguments[2]);
  if (arguments.size() >= 4 && arguments[0] == "state")
    return state(arguments[1], arguments[2], {arguments.begin() + 3, arguments.end()});
  if (arguments.size() == 3 && arguments[0] == "members") return members(arguments[1], arguments[2]);
  if (arguments.size() == 4 && arguments[0] == "watch")
    return watch(arguments[1], arguments[2], arguments[3].c_str());
  if (arguments.size() == 3 && arguments[0] == "ends")
    return follow(arguments[1], arguments[2], "kafka-probe", ends);
  if (arguments.size() == 4 && arguments[0] == "committed")
    return follow(arguments[1], arguments[2], arguments[3], committed);
  if (arguments.size() == 3 && arguments[0] == "delete") return remove(arguments[1], arguments[2]);
  fmt::print(stderr,
             "usage: kafka_probe dump BROKERS TOPIC | state BROKERS GROUP TOPIC... | members BROKERS GROUP | "
             "watch BROKERS TOPIC FILE | ends BROKERS TOPIC | "
             "committed BROKERS TOPIC GROUP | delete BROKERS TOPIC\n");
  return 2;
}
