#include "log/kafka/client.h"

#include <algorithm>
#include <chrono>
#include <thread>
#include <vector>

#include "base/error.h"
#include "base/logging.h"

namespace tiderace::kafka {
namespace {

constexpr std::int64_t line_interval_ns = 10'000'000'000;
constexpr int probe_ms = 500;
constexpr int first_request_ms = 250;
constexpr int longest_request_ms = 2'000;
constexpr std::chrono::nanoseconds patience_after_stop = std::chrono::seconds(5);

ClientContext& context_of(const rd_kafka_t* client) {
  return *static_cast<ClientContext*>(rd_kafka_opaque(client));
}

void log_of_client(const rd_kafka_t* client, int, const char* facility, const char* text) {
  // Without a client nobody knows what must not be seen.
  if (client != nullptr)
    log(LogLevel::debug, "librdkafka {}: {}", facility, context_of(client).secrets.hide(text));
}

std::string mechanism_in(const Settings& settings) {
  for (const char* name : {"sasl.mechanism", "sasl.mechanisms"}) {
    if (const auto found = settings.find(name); found != settings.end()) return found->second;
  }
  return "";
}

/// What helps against `code`, to be appended to a text.
std::string_view remedy(rd_kafka_resp_err_t code) {
  switch (code) {
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
      return "; this user may not: it wants an ACL on the topic (Read, Write, Create or Describe), or "
             "another user in "
             "security=";
    case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
      return "; this user may not: it wants an ACL on the group (Read), or another user in security=";
    case RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED:
      return "; this user may not: it wants an ACL on transactional ids that begin with the group's name "
             "(Write), or "
             "another user in security=";
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
      return "; this user may not: it wants an ACL on the cluster (Create, Describe), or another user in "
             "security=";
    case RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID:
      return "; another process came with this one's group_instance_id: each process of the group needs its "
             "own";
    default:
      return "";
  }
}

/// Whether the brokers answer in that time.
rd_kafka_resp_err_t probe(rd_kafka_t* client, int wait_ms) {
  const rd_kafka_metadata_t* metadata = nullptr;
  const auto code = rd_kafka_metadata(client, 0, nullptr, &metadata, wait_ms);
  if (metadata != nullptr) rd_kafka_metadata_destroy(metadata);
  return code;
}

std::int64_t nanoseconds_since_1970() {
  return std::chrono::nanoseconds(std::chrono::system_clock::now().time_since_epoch()).count();
}

void report_error(rd_kafka_t*, int code, const char* reason, void* opaque) {
  auto& context = *static_cast<ClientContext*>(opaque);
  const std::string text = context.secrets.hide(reason);
  if (text.starts_with("Failed to acquire SASL OAUTHBEARER token") &&
      context.token_until_ns > nanoseconds_since_1970()) {
    log(LogLevel::warning, "Kafka at {}: {}; the last one still holds", context.address, text);
    return;
  }
  context.refusals.report(static_cast<rd_kafka_resp_err_t>(code), text, context.clock->steady_ns());
}

int verify_certificate(rd_kafka_t*, const char* broker, std::int32_t, int* x509_error, int, const char*,
                       std::size_t, char*, std::size_t, void* opaque) {
  if (*x509_error == 0) return 1;
  static_cast<ClientContext*>(opaque)->refusals.bad_certificate(broker, *x509_error);
  return 0;
}

void set_token(rd_kafka_t* client, ClientContext& context) {
  const SecurityToken token = completed(context.token());
  std::vector<const char*> extensions;
  for (const auto& [name, value] : token.extensions) {
    extensions.push_back(name.c_str());
    extensions.push_back(value.c_str());
  }
  const std::chrono::nanoseconds until = token.expires_at->time_since_epoch();
  char text[512];
  if (rd_kafka_oauthbearer_set_token(client, token.value.c_str(), until / std::chrono::milliseconds(1),
                                     token.principal.c_str(), extensions.data(), extensions.size(), text,
                                     sizeof text) != RD_KAFKA_RESP_ERR_NO_ERROR)
    throw Error(ErrorKind::broker, text);
  context.token_until_ns = until.count();
}

/// Called on librdkafka's thread for such things, whatever its owner does meanwhile.
void refresh_token(rd_kafka_t* client, const char*, void* opaque) {
  try {
    set_token(client, *static_cast<ClientContext*>(opaque));
  } catch (const std::exception& error) {
    rd_kafka_oauthbearer_set_token_failure(client, *error.what() == '\0' ? "no reason given" : error.what());
  } catch (...) {
    rd_kafka_oauthbearer_set_token_failure(client, "the function was interrupted");
  }
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

TopicPartition partition_of(const rd_kafka_message_t& message) {
  return {rd_kafka_topic_name(message.rkt), message.partition};
}

Error error_of(rd_kafka_resp_err_t code, std::string_view text, std::string_view doing) {
  return Error(ErrorKind::broker,
               fmt::format("Kafka: {}: {} ({}){}", doing, text, rd_kafka_err2name(code), remedy(code)));
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

namespace {

/// How long the brokers may not know of a partition that there is: the controller answers whoever adds one
/// before the brokers have heard of it.
constexpr std::chrono::seconds longest_hearsay(5);

bool is_unknown(rd_kafka_resp_err_t code) {
  return code == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION || code == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC ||
         code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
}

/// Makes librdkafka hear what the brokers say of a topic by now. Whether they have the partition; true if
/// they do not answer.
bool look_once(rd_kafka_t* client, const TopicPartition& partition) {
  const TopicHandle topic(rd_kafka_topic_new(client, partition.topic.c_str(), nullptr));
  const rd_kafka_metadata_t* metadata = nullptr;
  if (rd_kafka_metadata(client, 0, topic.get(), &metadata, probe_ms) != RD_KAFKA_RESP_ERR_NO_ERROR)
    return true;
  const bool found = metadata->topic_cnt == 1 && metadata->topics[0].partition_cnt > partition.partition;
  rd_kafka_metadata_destroy(metadata);
  return found;
}

/// The same for a partition of which the brokers may not have heard yet.
bool look_again(rd_kafka_t* client, const TopicPartition& partition) {
  const auto deadline = std::chrono::steady_clock::now() + longest_hearsay;
  while (!look_once(client, partition)) {
    if (std::chrono::steady_clock::now() >= deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return true;
}

}  // namespace

std::int64_t query_offset(rd_kafka_t* client, const TopicPartition& partition, std::int64_t which) {
  for (int timeout_ms = first_request_ms;; timeout_ms *= 2) {
    // rd_kafka_query_watermark_offsets takes a time, too, but waits for a leader that is gone until it is
    // back.
    PartitionList list;
    list.add(partition, which);
    auto code = rd_kafka_offsets_for_times(client, list.get(), timeout_ms);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) code = list[0].err;
    // It may have another leader by now, be new, or have no leader for the moment, of which librdkafka has
    // not heard, or speaks as of one that is not there.
    bool found = true;
    if (is_passing(code) || is_unknown(code)) found = look_again(client, partition);
    if (found && is_unknown(code)) code = RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE;
    // A leader that is gone is asked until the time is over: for a short one first.
    if (found && code == RD_KAFKA_RESP_ERR__TIMED_OUT && timeout_ms < longest_request_ms) continue;
    check(code, fmt::format("ask for the offsets of {} partition {}", partition.topic, partition.partition));
    return list[0].offset;
  }
}

void assign(rd_kafka_t* client, const PartitionList& partitions, std::string_view doing) {
  // librdkafka asks for the leaders of a topic when it connects, or when one names the topic to it; else it
  // finds out once a second what it does not know.
  std::vector<TopicHandle> named;
  for (int i = 0; i < partitions.size(); ++i)
    named.emplace_back(rd_kafka_topic_new(client, partitions[i].topic, nullptr));
  check(rd_kafka_assign(client, partitions.get()), doing);
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

bool is_about_record(rd_kafka_resp_err_t code) noexcept {
  return code == RD_KAFKA_RESP_ERR_INVALID_RECORD || code == RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP ||
         code == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE;
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

ClientContext::ClientContext(const Connection& connection, const Settings& settings)
    : address(connection.address),
      clock(connection.clock),
      secrets(settings),
      refusals(mechanism_in(settings)),
      token(connection.options.security.token) {}

namespace {

bool has_setting(const char* name) noexcept {
  const Owned<rd_kafka_conf_t, rd_kafka_conf_destroy> defaults(rd_kafka_conf_new());
  char value[512];
  std::size_t size = sizeof value;
  return rd_kafka_conf_get(defaults.get(), name, value, &size) == RD_KAFKA_CONF_OK;
}

}  // namespace

Settings queue_limits(std::size_t bytes) {
  constexpr const char* look_again = "fetch.queue.backoff.ms";
  constexpr std::size_t record_bytes = 768;
  // librdkafka takes no more.
  constexpr std::size_t most_records = 10'000'000;
  constexpr std::size_t most_kilobytes = 2'000'000;
  bytes = std::max(bytes, std::size_t{4} << 20);
  if (has_setting(look_again)) {
    return {{"queued.min.messages", std::to_string(std::min(bytes / record_bytes, most_records))},
            {"queued.max.messages.kbytes", std::to_string(std::min(bytes / 2 / 1024, most_kilobytes))},
            {look_again, "5"}};
  }
  // A queue that was full may be looked at only when it is long empty: it has to hold what is done in a
  // second, however much that is.
  return {{"queued.min.messages", std::to_string(most_records)},
          {"queued.max.messages.kbytes", std::to_string(std::min(bytes / 1024, most_kilobytes))}};
}

Config::Config(const Settings& settings, std::unique_ptr<ClientContext> context)
    : conf_(rd_kafka_conf_new()), context_(std::move(context)) {
  for (const auto& [name, value] : settings) set(name, value);
  rd_kafka_conf_set_opaque(conf_.get(), context_.get());
  rd_kafka_conf_set_log_cb(conf_.get(), log_of_client);
  rd_kafka_conf_set_error_cb(conf_.get(), report_error);
  rd_kafka_conf_set_ssl_cert_verify_cb(conf_.get(), verify_certificate);
  if (context_->token) {
    rd_kafka_conf_set_oauthbearer_token_refresh_cb(conf_.get(), refresh_token);
    rd_kafka_conf_enable_sasl_queue(conf_.get(), 1);
  }
}

void Config::set(const std::string& name, const std::string& value) {
  char text[512];
  const auto result = rd_kafka_conf_set(conf_.get(), name.c_str(), value.c_str(), text, sizeof text);
  // What goes to an unknown name may be anything.
  if (result == RD_KAFKA_CONF_UNKNOWN) throw_error(ErrorKind::config, "Kafka client: {}", text);
  if (result != RD_KAFKA_CONF_OK)
    throw_error(ErrorKind::config, "Kafka client: {}: {}", name, context_->secrets.hide(text));
}

Client::Client(rd_kafka_type_t type, Config config) : context_(std::move(config.context_)) {
  char text[512];
  client_ = rd_kafka_new(type, config.get(), text, sizeof text);
  if (client_ == nullptr) throw_error(ErrorKind::config, "Kafka client: {}", context_->secrets.hide(text));
  static_cast<void>(config.conf_.release());  // the client's now
  if (!context_->token) return;
  const Failure failure(rd_kafka_sasl_background_callbacks_enable(client_));
  if (failure) {
    rd_kafka_destroy(client_);
    throw error_of(failure.get(), "have tokens asked for");
  }
}

Client::~Client() {
  rd_kafka_destroy(client_);
}

int Client::serve() const {
  return kafka::serve(client_);
}

bool Client::refused() const {
  return context_->refusals.state(context_->clock->steady_ns()) != Refusals::State::none;
}

void Client::meet(std::int64_t most_ns) {
  if (met_) return;
  constexpr int shortest_ms = 100;
  constexpr int longest_ms = 2'000;
  const std::int64_t deadline = context_->clock->steady_ns() + most_ns;
  // Short at first: what is refused is refused at once. Longer then, for brokers that take their time.
  for (int wait_ms = shortest_ms;; wait_ms = std::min(2 * wait_ms, refused() ? probe_ms : longest_ms)) {
    const std::int64_t left_ms = (deadline - context_->clock->steady_ns()) / 1'000'000;
    const auto code = probe(client_, static_cast<int>(std::clamp<std::int64_t>(left_ms, 1, wait_ms)));
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) break;
    serve();
    if (!is_passing(code)) check(code, "ask the brokers");
    if (context_->clock->steady_ns() >= deadline) {
      throw BrokerAway(
          Error(ErrorKind::broker, fmt::format("Kafka at {} does not answer: {}{}", context_->address,
                                               rd_kafka_err2str(code), context_->refusals.hint())));
    }
  }
  met_ = true;
}

int serve(rd_kafka_t* client) {
  const int served = rd_kafka_poll(client, 0);
  ClientContext& context = context_of(client);
  auto state = context.refusals.state(context.clock->steady_ns());
  if (state == Refusals::State::due) {
    // Reports of the same kind are half a minute apart: whether it is over, one has to ask.
    state = Refusals::State::final;
    if (probe(client, probe_ms) == RD_KAFKA_RESP_ERR_NO_ERROR) {
      context.refusals.forget();
      return served;
    }
  }
  if (state == Refusals::State::final) throw Error(context.refusals.error(context.address));
  return served;
}

std::string Client::setting(const char* name) const {
  char value[512];
  std::size_t size = sizeof value;
  const bool known = rd_kafka_conf_get(rd_kafka_conf(client_), name, value, &size) == RD_KAFKA_CONF_OK;
  TIDERACE_CHECK(known);
  return value;
}

void BrokerWatch::waiting(rd_kafka_t* client, std::string_view for_what) {
  serve(client);
  const std::int64_t now = clock_.steady_ns();
  if (patience_.heartbeat != nullptr) patience_.heartbeat->store(now, std::memory_order_relaxed);
  const std::chrono::nanoseconds waited(since_ns_ == 0 ? 0 : now - since_ns_);
  const bool stopped = patience_.stop != nullptr && patience_.stop->load(std::memory_order_relaxed);
  if (waited > patience_.most || (stopped && waited > patience_after_stop)) {
    since_ns_ = 0;
    throw BrokerAway(
        Error(ErrorKind::broker,
              fmt::format("Kafka at {} does not answer for {} s{}; what waits for it: {}", address_,
                          waited / std::chrono::seconds(1), context_of(client).refusals.hint(), for_what)));
  }
  look(client, for_what);
}

void BrokerWatch::look(rd_kafka_t* client, std::string_view for_what) {
  const std::int64_t now = clock_.steady_ns();
  if (since_ns_ == 0) since_ns_ = asked_ns_ = now;
  if (now - asked_ns_ < line_interval_ns) return;
  asked_ns_ = now;
  const auto code = probe(client, probe_ms);
  if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
    context_of(client).refusals.forget();
    answered();
    return;
  }
  said_ = true;
  log(LogLevel::warning, "Kafka at {} does not answer ({}{}); waiting for it since {} s, for {}", address_,
      rd_kafka_err2name(code), context_of(client).refusals.hint(), (now - since_ns_) / 1'000'000'000,
      for_what);
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
  // Brokers that are back are not left waiting for up to 10 s more.
  all["reconnect.backoff.max.ms"] = "2000";
  all["log_level"] = std::string(1, log_enabled(LogLevel::debug) ? '7' : '4');
  all.merge(settings_of(options.security));
  for (const auto& [name, value] : users) all[name] = value;
  auto context = std::make_unique<ClientContext>(*this, all);
  return Config(all, std::move(context));
}

}  // namespace tiderace::kafka
