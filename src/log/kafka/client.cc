#include "log/kafka/client.h"

#include "base/error.h"
#include "base/logging.h"

namespace tiderace::kafka {
namespace {

constexpr std::int64_t line_interval_ns = 10'000'000'000;
constexpr int probe_ms = 500;
constexpr int request_ms = 5'000;
constexpr std::chrono::nanoseconds patience_after_stop = std::chrono::seconds(5);

void log_of_client(const rd_kafka_t*, int, const char* facility, const char* text) {
  log(LogLevel::debug, "librdkafka {}: {}", facility, text);
}

}  // namespace

rd_kafka_topic_partition_t& PartitionList::add(const TopicPartition& partition, std::int64_t offset) {
  rd_kafka_topic_partition_t* added =
      rd_kafka_topic_partition_list_add(list_.get(), partition.topic.c_str(), partition.partition);
  added->offset = offset;
  return *added;
}

TopicPartition partition_of(const rd_kafka_topic_partition_t& element) {
  return {element.topic, element.partition};
}

Error error_of(rd_kafka_resp_err_t code, std::string_view text, std::string_view doing) {
  return Error(ErrorKind::broker, fmt::format("Kafka: {}: {} ({})", doing, text, rd_kafka_err2name(code)));
}

Error error_of(const rd_kafka_error_t* error, std::string_view doing) {
  return error_of(rd_kafka_error_code(error), rd_kafka_error_string(error), doing);
}

void check(rd_kafka_resp_err_t code, std::string_view doing) {
  if (code == RD_KAFKA_RESP_ERR_NO_ERROR) return;
  const Error error = error_of(code, rd_kafka_err2str(code), doing);
  if (is_passing(code)) throw BrokerAway(error);
  throw error;
}

std::pair<std::int64_t, std::int64_t> query_offsets(rd_kafka_t* client, const TopicPartition& partition) {
  std::int64_t low = 0;
  std::int64_t high = 0;
  const auto code = rd_kafka_query_watermark_offsets(client, partition.topic.c_str(), partition.partition,
                                                     &low, &high, request_ms);
  if (is_passing(code)) {
    // It may have another leader by now, of which librdkafka has not heard: this alone would not tell it.
    const TopicHandle topic(rd_kafka_topic_new(client, partition.topic.c_str(), nullptr));
    const rd_kafka_metadata_t* metadata = nullptr;
    if (rd_kafka_metadata(client, 0, topic.get(), &metadata, probe_ms) == RD_KAFKA_RESP_ERR_NO_ERROR)
      rd_kafka_metadata_destroy(metadata);
  }
  check(code, fmt::format("ask for the offsets of {} partition {}", partition.topic, partition.partition));
  return {low, high};
}

bool is_permanent(rd_kafka_resp_err_t code) noexcept {
  switch (code) {
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED:
    case RD_KAFKA_RESP_ERR__AUTHENTICATION:
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_INVALID_RECORD:
    case RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP:
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
      return true;
    default:
      return false;
  }
}

bool is_passing(rd_kafka_resp_err_t code) noexcept {
  switch (code) {
    case RD_KAFKA_RESP_ERR__TRANSPORT:
    case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
    case RD_KAFKA_RESP_ERR__TIMED_OUT:
    case RD_KAFKA_RESP_ERR__WAIT_COORD:
    case RD_KAFKA_RESP_ERR__WAIT_CACHE:
    case RD_KAFKA_RESP_ERR__RESOLVE:
    case RD_KAFKA_RESP_ERR__TIMED_OUT_QUEUE:
    case RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT:
    case RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE:
    case RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION:
    case RD_KAFKA_RESP_ERR_FENCED_LEADER_EPOCH:
    case RD_KAFKA_RESP_ERR_UNKNOWN_LEADER_EPOCH:
    case RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS:
    case RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE:
    case RD_KAFKA_RESP_ERR_NOT_COORDINATOR:
    case RD_KAFKA_RESP_ERR_NETWORK_EXCEPTION:
    case RD_KAFKA_RESP_ERR_BROKER_NOT_AVAILABLE:
    case RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS:
    case RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS_AFTER_APPEND:
    case RD_KAFKA_RESP_ERR_NOT_CONTROLLER:
    case RD_KAFKA_RESP_ERR_KAFKA_STORAGE_ERROR:
    case RD_KAFKA_RESP_ERR_CONCURRENT_TRANSACTIONS:
      return true;
    default:
      return false;
  }
}

Config::Config(const Settings& settings) : conf_(rd_kafka_conf_new()) {
  for (const auto& [name, value] : settings) set(name, value);
  rd_kafka_conf_set_log_cb(conf_.get(), log_of_client);
}

void Config::set(const std::string& name, const std::string& value) {
  char text[512];
  if (rd_kafka_conf_set(conf_.get(), name.c_str(), value.c_str(), text, sizeof text) != RD_KAFKA_CONF_OK)
    throw_error(ErrorKind::config, "Kafka client: {}={}: {}", name, value, text);
}

Client::Client(rd_kafka_type_t type, Config config) {
  char text[512];
  client_ = rd_kafka_new(type, config.get(), text, sizeof text);
  if (client_ == nullptr) throw_error(ErrorKind::config, "Kafka client: {}", text);
  static_cast<void>(config.release());  // the client's now
}

Client::~Client() {
  if (client_ != nullptr) rd_kafka_destroy(client_);
}

std::string Client::setting(const char* name) const {
  char value[512];
  std::size_t size = sizeof value;
  const bool known = rd_kafka_conf_get(rd_kafka_conf(client_), name, value, &size) == RD_KAFKA_CONF_OK;
  TIDERACE_CHECK(known);
  return value;
}

void BrokerWatch::waiting(rd_kafka_t* client, std::string_view for_what) {
  const std::int64_t now = clock_.steady_ns();
  if (patience_.heartbeat != nullptr) patience_.heartbeat->store(now, std::memory_order_relaxed);
  const std::chrono::nanoseconds waited(since_ns_ == 0 ? 0 : now - since_ns_);
  const bool stopped = patience_.stop != nullptr && patience_.stop->load(std::memory_order_relaxed);
  if (waited > patience_.most || (stopped && waited > patience_after_stop)) {
    since_ns_ = 0;
    throw BrokerAway(
        Error(ErrorKind::broker, fmt::format("Kafka at {} does not answer for {} s; what waits for it: {}",
                                             address_, waited / std::chrono::seconds(1), for_what)));
  }
  look(client, for_what);
}

void BrokerWatch::look(rd_kafka_t* client, std::string_view for_what) {
  const std::int64_t now = clock_.steady_ns();
  if (since_ns_ == 0) since_ns_ = asked_ns_ = now;
  if (now - asked_ns_ < line_interval_ns) return;
  asked_ns_ = now;
  const rd_kafka_metadata_t* metadata = nullptr;
  const auto code = rd_kafka_metadata(client, 0, nullptr, &metadata, probe_ms);
  if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
    rd_kafka_metadata_destroy(metadata);
    answered();
    return;
  }
  said_ = true;
  log(LogLevel::warning, "Kafka at {} does not answer ({}); waiting for it since {} s, for {}", address_,
      rd_kafka_err2name(code), (now - since_ns_) / 1'000'000'000, for_what);
}

void BrokerWatch::answered() {
  if (said_) {
    log(LogLevel::warning, "Kafka at {} answers again after {} s", address_,
        (clock_.steady_ns() - since_ns_) / 1'000'000'000);
  }
  since_ns_ = 0;
  said_ = false;
}

Config Connection::config(const Settings& base, const Settings& users) const {
  Settings all = base;
  all["bootstrap.servers"] = address;
  all["client.id"] = client_id;
  all["log_level"] = log_enabled(LogLevel::debug) ? "7" : "4";
  all["log.connection.close"] = "false";
  for (const auto& [name, value] : users) all[name] = value;
  return Config(all);
}

}  // namespace tiderace::kafka
