#include "log/kafka/sender.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/error.h"
#include "base/logging.h"
#include "log/assignment.h"
#include "log/topic_rules.h"

namespace tiderace::kafka {
namespace {

constexpr int flush_ms = 500;
constexpr int hurry_ms = 1;
constexpr int queue_full_ms = 10;
constexpr std::int64_t answer_ns = 5'000'000'000;
constexpr std::int64_t cause_ns = 1'000'000'000;

/// Whether the brokers do not know any more where this producer is: for librdkafka that is its end.
bool has_lost_track(rd_kafka_resp_err_t code) noexcept {
  return code == RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER ||
         code == RD_KAFKA_RESP_ERR_UNKNOWN_PRODUCER_ID;
}

/// What a record comes back with that a client has not brought to the brokers since it has ended.
bool is_of_ended_client(rd_kafka_resp_err_t code) noexcept {
  return has_lost_track(code) || code == RD_KAFKA_RESP_ERR__PURGE_QUEUE ||
         code == RD_KAFKA_RESP_ERR__PURGE_INFLIGHT || code == RD_KAFKA_RESP_ERR__FATAL;
}

std::optional<std::string> copy_of(const void* bytes, std::size_t size) {
  if (bytes == nullptr) return std::nullopt;
  return std::string(static_cast<const char*>(bytes), size);
}

/// librdkafka does not tell that of a record which comes back with an error, so that is put aside to ask.
std::int64_t timestamp_of(const rd_kafka_message_t* message) {
  rd_kafka_resp_err_t& error = const_cast<rd_kafka_message_t*>(message)->err;
  const rd_kafka_resp_err_t was = std::exchange(error, RD_KAFKA_RESP_ERR_NO_ERROR);
  const std::int64_t timestamp_ms = rd_kafka_message_timestamp(message, nullptr);
  error = was;
  return timestamp_ms;
}

std::string packed_headers(const rd_kafka_message_t* message) {
  std::string packed;
  rd_kafka_headers_t* headers = nullptr;
  if (rd_kafka_message_headers(message, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR) return packed;
  std::vector<Header> all;
  const char* name = nullptr;
  const void* value = nullptr;
  std::size_t size = 0;
  while (rd_kafka_header_get_all(headers, all.size(), &name, &value, &size) == RD_KAFKA_RESP_ERR_NO_ERROR)
    all.emplace_back(name, copy_of(value, size));
  pack_headers(all, packed);
  return packed;
}

}  // namespace

Sender::Sender(const Connection& connection, const Settings& settings, Topics& topics, Patience patience,
               bool placed)
    : connection_(connection),
      settings_(settings),
      topics_(topics),
      transactional_(settings.contains("transactional.id")),
      placed_(placed),
      watch_(connection.address, *connection.clock, patience) {
  connect();
}

Sender::~Sender() {
  // What was not finished or committed is given up: its rows come again.
  rd_kafka_purge(client(),
                 RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT | RD_KAFKA_PURGE_F_NON_BLOCKING);
  for (const auto& [name, topic] : outputs_) topic->handle.reset();  // before the client that it is of
}

void Sender::connect() {
  Config config = connection_.config(settings_, connection_.options.producer_config);
  config.set_owner(this);
  rd_kafka_conf_set_dr_msg_cb(config.get(), delivered);
  client_ = std::make_unique<Client>(RD_KAFKA_PRODUCER, std::move(config));
  for (const auto& [name, topic] : outputs_) open(name, *topic);
}

void Sender::open(const std::string& name, OutputTopic& topic) {
  rd_kafka_topic_conf_t* const conf = rd_kafka_default_topic_conf_dup(client());
  rd_kafka_topic_conf_set_opaque(conf, &topic);
  topic.handle.reset(rd_kafka_topic_new(client(), name.c_str(), conf));
  if (!topic.handle) check(rd_kafka_last_error(), "write to " + name);
}

void Sender::delivered(rd_kafka_t*, const rd_kafka_message_t* message, void* opaque) {
  auto& self = owner_of<Sender>(opaque);
  const auto number = reinterpret_cast<std::uintptr_t>(message->_private);
  OutputTopic& topic = *static_cast<OutputTopic*>(rd_kafka_topic_opaque(message->rkt));
  --self.undelivered(number);
  if (is_of_ended_client(message->err)) {
    if (self.transactional_) return;  // an abort takes back; what else it is, the transaction says
    self.unsent_.push_back({number, &topic, message->partition, copy_of(message->key, message->key_len),
                            copy_of(message->payload, message->len), packed_headers(message),
                            timestamp_of(message)});
    return;
  }
  if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
    self.fail(message->err, rd_kafka_topic_name(message->rkt), message->partition);
    return;
  }
  const auto partition = static_cast<std::size_t>(message->partition);
  if (topic.ends.size() <= partition) topic.ends.resize(partition + 1, 0);
  topic.ends[partition] = std::max(topic.ends[partition], message->offset + 1);
  if (!self.placed_ || number < self.first_placed_) return;  // of a transaction that is over
  const std::size_t index = number - self.first_placed_;
  if (self.placements_.size() <= index) self.placements_.resize(index + 1);
  self.placements_[index] = {message->partition, message->offset};
}

OutputTopic& Sender::topic_of(std::string_view name) {
  if (const auto found = outputs_.find(name); found != outputs_.end()) return *found->second;
  auto topic = std::make_unique<OutputTopic>();
  open(std::string(name), *topic);
  return *outputs_.emplace(name, std::move(topic)).first->second;
}

void Sender::send(std::string_view name, std::span<const ProducerRecord> records, std::int32_t partition) {
  throw_failure();
  const auto info = topics_.find(std::string(name));
  if (!info) throw_unknown_topic(std::string(name));
  check_record_sizes(*info, records);
  if (partition >= 0) check_partition(*info, partition);
  OutputTopic& topic = topic_of(name);
  const std::int32_t partitions = info->config.num_partitions;
  bool keyless = false;
  for (const ProducerRecord& record : records) {
    std::int32_t target = partition;
    if (target < 0 && record.key) target = tiderace::partition_of(*record.key, partitions);
    if (target < 0) target = topic.next_keyless % partitions, keyless = true;
    produce(topic, record, target);
  }
  if (keyless) topic.next_keyless = (topic.next_keyless + 1) % partitions;
  serve();
}

void Sender::produce(OutputTopic& topic, const ProducerRecord& record, std::int32_t partition) {
  const std::uint64_t number = next_number_++;
  for (;;) {
    const auto code = enqueue(topic, record, partition, number);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) return;
    if (has_to_renew()) {
      renew();
      continue;
    }
    if (code == RD_KAFKA_RESP_ERR__FATAL) throw_failure();  // which knows the cause
    const Error failure = error_of(code, rd_kafka_err2str(code), "write a record");
    if (is_permanent(code)) throw Error(failure);
    throw CommitLost(failure);
  }
}

rd_kafka_resp_err_t Sender::enqueue(OutputTopic& topic, const ProducerRecord& record, std::int32_t partition,
                                    std::uint64_t number) {
  Owned<rd_kafka_headers_t, rd_kafka_headers_destroy> headers;
  if (!record.headers.empty()) {
    const std::vector<Header> all = unpack_headers(record.headers);
    headers.reset(rd_kafka_headers_new(all.size()));
    for (const auto& [name, value] : all) {
      rd_kafka_header_add(headers.get(), name.data(), static_cast<ssize_t>(name.size()),
                          value ? value->data() : nullptr, value ? static_cast<ssize_t>(value->size()) : 0);
    }
  }
  // A null pointer would be a null value or key. The interface takes bytes that it does not change as if it
  // might.
  const auto pointer = [](const std::optional<std::string_view>& bytes) -> char* {
    static char empty = 0;
    if (!bytes) return nullptr;
    return bytes->data() == nullptr ? &empty : const_cast<char*>(bytes->data());
  };
  char* const value = pointer(record.value);
  char* const key = pointer(record.key);
  const std::size_t value_size = record.value ? record.value->size() : 0;
  const std::size_t key_size = record.key ? record.key->size() : 0;
  for (;;) {
    const rd_kafka_resp_err_t code =
        rd_kafka_producev(client(), RD_KAFKA_V_RKT(topic.handle.get()), RD_KAFKA_V_PARTITION(partition),
                          RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_VALUE(value, value_size),
                          RD_KAFKA_V_KEY(key, key_size), RD_KAFKA_V_TIMESTAMP(record.timestamp_ms),
                          RD_KAFKA_V_OPAQUE(reinterpret_cast<void*>(static_cast<std::uintptr_t>(number))),
                          RD_KAFKA_V_HEADERS(headers.get()), RD_KAFKA_V_END);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
      static_cast<void>(headers.release());  // librdkafka's now
      ++undelivered(number);
    }
    if (code != RD_KAFKA_RESP_ERR__QUEUE_FULL) return code;
    rd_kafka_poll(client(), queue_full_ms);
    watch_.waiting(client(), "records to be written");
  }
}

void Sender::serve() {
  if (client_->serve() > 0) watch_.answered();
  throw_failure();
}

void Sender::hurry() {
  // For as long as it waits, librdkafka lets nothing linger.
  if (rd_kafka_outq_len(client()) > 0) rd_kafka_flush(client(), hurry_ms);
  serve();
}

void Sender::finish() {
  for (;;) {
    const bool empty = rd_kafka_flush(client(), flush_ms) != RD_KAFKA_RESP_ERR__TIMED_OUT;
    const bool renewed = has_to_renew();
    throw_failure();
    if (renewed || has_to_renew()) continue;
    if (empty) break;
    watch_.waiting(client(), "records to be written");
  }
  watch_.answered();
}

bool Sender::has_to_renew() const {
  if (transactional_) return false;
  const auto code = rd_kafka_fatal_error(client(), nullptr, 0);
  return code == RD_KAFKA_RESP_ERR_NO_ERROR ? !unsent_.empty() : has_lost_track(code);
}

void Sender::renew() {
  do {
    char text[512] = "out of sequence";
    rd_kafka_fatal_error(client(), text, sizeof text);
    drain();
    for (const auto& [name, topic] : outputs_) topic->handle.reset();
    connect();
    // A partition's come back in order, but not those that had been sent before those that had not.
    std::sort(unsent_.begin(), unsent_.end(),
              [](const Unsent& a, const Unsent& b) { return a.number < b.number; });
    log(LogLevel::warning,
        "Kafka: the brokers have lost track of a producer ({}); a new one sends again what they have not "
        "acknowledged, {} records, some of which may be there twice",
        text, unsent_.size());
    send_again();
  } while (has_to_renew());
}

void Sender::drain() {
  const std::int64_t deadline_ns = connection_.clock->steady_ns() + answer_ns;
  while (rd_kafka_outq_len(client()) > 0) {
    // What is under way may arrive nevertheless, of partitions that are all right: it is waited for, else it
    // could come behind what is sent again. And it may be put back into a queue, so these are emptied again.
    const int under_way = connection_.clock->steady_ns() > deadline_ns ? RD_KAFKA_PURGE_F_INFLIGHT : 0;
    rd_kafka_purge(client(), RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_NON_BLOCKING | under_way);
    rd_kafka_poll(client(), queue_full_ms);
    watch_.waiting(client(), "records to be written again");
  }
}

void Sender::send_again() {
  std::vector<Unsent> again = std::exchange(unsent_, {});
  auto next = again.begin();
  const auto keep_rest = [&] { std::move(next, again.end(), std::back_inserter(unsent_)); };
  try {
    for (; next != again.end(); ++next) {
      const ProducerRecord record{next->key, next->value, next->headers, next->timestamp_ms};
      const auto code = enqueue(*next->topic, record, next->partition, next->number);
      if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
        *next = {};  // it is in two places for no longer than it must
        continue;
      }
      if (rd_kafka_fatal_error(client(), nullptr, 0) != RD_KAFKA_RESP_ERR_NO_ERROR) break;
      fail(code, rd_kafka_topic_name(next->topic->handle.get()), next->partition);
    }
  } catch (...) {
    keep_rest();
    throw;
  }
  keep_rest();
}

void Sender::fail(rd_kafka_resp_err_t code, const char* topic, std::int32_t partition) {
  if (failure_) return;
  failed_for_good_ = is_permanent(code);
  failure_ =
      error_of(code, rd_kafka_err2str(code), fmt::format("write to {} partition {}", topic, partition));
  // Who writes in transactions of his own can leave the record out.
  if (placed_ && is_about_record(code)) failure_.emplace(ErrorKind::config, failure_->what());
}

void Sender::throw_failure() {
  if (has_to_renew()) renew();
  if (failure_) {
    const Error failure = *std::exchange(failure_, std::nullopt);
    if (failed_for_good_) throw Error(failure);
    throw CommitLost(failure);
  }
  char text[512];
  if (const auto code = rd_kafka_fatal_error(client(), text, sizeof text);
      code != RD_KAFKA_RESP_ERR_NO_ERROR) {
    if (has_to_renew()) return;  // it has come this moment: the next call sees to it
    const Error failure = error_of(code, text, "write");
    if (is_permanent(code)) throw Error(failure);
    throw CommitLost(failure);
  }
}

void Sender::throw_cause() {
  const std::int64_t deadline_ns = connection_.clock->steady_ns() + cause_ns;
  while (rd_kafka_outq_len(client()) > 0 && connection_.clock->steady_ns() < deadline_ns) {
    rd_kafka_poll(client(), queue_full_ms);
    throw_failure();
  }
}

void Sender::begin_generation() noexcept {
  first_of_generation_ = next_number_;
  undelivered_[0] += std::exchange(undelivered_[1], 0);
}

std::vector<Placement> Sender::take_placements() {
  first_placed_ = next_number_;
  return std::exchange(placements_, {});
}

void Sender::take_ends(std::map<TopicPartition, std::int64_t>& ends) {
  for (const auto& [name, topic] : outputs_) {
    for (std::size_t p = 0; p < topic->ends.size(); ++p) {
      if (topic->ends[p] > 0) ends[{name, static_cast<std::int32_t>(p)}] = topic->ends[p];
    }
    topic->ends.clear();
  }
}

}  // namespace tiderace::kafka
