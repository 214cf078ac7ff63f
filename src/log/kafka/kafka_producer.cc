#include "log/kafka/kafka_producer.h"

#include <algorithm>
#include <random>
#include <set>

#include "base/error.h"
#include "base/logging.h"
#include "log/assignment.h"
#include "log/topic_rules.h"

namespace tiderace::kafka {
namespace {

constexpr int request_ms = 5'000;
constexpr int queue_full_ms = 10;
constexpr std::chrono::nanoseconds user_patience = std::chrono::seconds(10);

using GroupMetadata = Owned<rd_kafka_consumer_group_metadata_t, rd_kafka_consumer_group_metadata_destroy>;

std::string new_transactional_id(const std::string& group) {
  std::random_device random;
  return fmt::format("{}-{:08x}{:08x}{:08x}", group, random(), random(), random());
}

Settings producer_settings(const Connection& connection) {
  return {
      {"enable.idempotence", "true"},
      {"acks", "all"},
      {"compression.codec", connection.options.compression},
      {"linger.ms",
       fmt::format("{:.3f}", std::chrono::duration<double, std::milli>(connection.options.linger).count())},
      {"message.timeout.ms", "0"},          // nothing is given up: a broker that is away is waited for
      {"message.max.bytes", "1000000000"},  // the topic's limit holds
      {"queue.buffering.max.messages", "10000000"},
      {"queue.buffering.max.kbytes",
       std::to_string(std::clamp<std::size_t>(connection.options.max_memory / 2 / 1024, 4096, 2'000'000))},
  };
}

Settings transactional_settings(const Connection& connection, const std::string& id) {
  Settings settings = producer_settings(connection);
  settings["transactional.id"] = id;
  settings["transaction.timeout.ms"] = "60000";
  settings["message.timeout.ms"] = "60000";
  return settings;
}

Config with_reports(Config config, Sender* self,
                    void (*delivered)(rd_kafka_t*, const rd_kafka_message_t*, void*)) {
  config.set_owner(self);
  rd_kafka_conf_set_dr_msg_cb(config.get(), delivered);
  return config;
}

}  // namespace

// ---- Sender ----

Sender::Sender(const Connection& connection, const Settings& settings, Topics& topics, Patience patience)
    : topics_(topics),
      transactional_(settings.contains("transactional.id")),
      watch_(connection.address, *connection.clock, patience),
      client_(RD_KAFKA_PRODUCER, with_reports(connection.config(settings, connection.options.producer_config),
                                              this, delivered)) {}

Sender::~Sender() {
  // What was not finished or committed is given up: its rows come again.
  rd_kafka_purge(client_.get(),
                 RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT | RD_KAFKA_PURGE_F_NON_BLOCKING);
  for (const auto& [name, topic] : outputs_) topic->handle.reset();  // before the client that it is of
}

void Sender::delivered(rd_kafka_t*, const rd_kafka_message_t* message, void* opaque) {
  auto& self = owner_of<Sender>(opaque);
  const auto& origin = *static_cast<const OutputTopic::Origin*>(message->_private);
  --self.undelivered_[origin.generation];
  // What an abort takes back is no failure.
  if (message->err == RD_KAFKA_RESP_ERR__PURGE_QUEUE || message->err == RD_KAFKA_RESP_ERR__PURGE_INFLIGHT)
    return;
  if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
    if (!self.failure_) {
      self.failed_for_good_ = is_permanent(message->err);
      self.failure_ = error_of(
          message->err, rd_kafka_err2str(message->err),
          fmt::format("write to {} partition {}", rd_kafka_topic_name(message->rkt), message->partition));
    }
    return;
  }
  OutputTopic& topic = *origin.topic;
  const auto partition = static_cast<std::size_t>(message->partition);
  if (topic.ends.size() <= partition) topic.ends.resize(partition + 1, 0);
  topic.ends[partition] = std::max(topic.ends[partition], message->offset + 1);
}

OutputTopic& Sender::topic_of(std::string_view name) {
  if (const auto found = outputs_.find(name); found != outputs_.end()) return *found->second;
  auto topic = std::make_unique<OutputTopic>();
  const std::string text(name);
  topic->handle.reset(rd_kafka_topic_new(client_.get(), text.c_str(), nullptr));
  if (!topic->handle) check(rd_kafka_last_error(), "write to " + text);
  return *outputs_.emplace(text, std::move(topic)).first->second;
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
    const rd_kafka_resp_err_t code = rd_kafka_producev(
        client_.get(), RD_KAFKA_V_RKT(topic.handle.get()), RD_KAFKA_V_PARTITION(partition),
        RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_VALUE(value, value_size),
        RD_KAFKA_V_KEY(key, key_size), RD_KAFKA_V_TIMESTAMP(record.timestamp_ms),
        RD_KAFKA_V_OPAQUE(&topic.origins[generation_]), RD_KAFKA_V_HEADERS(headers.get()), RD_KAFKA_V_END);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
      static_cast<void>(headers.release());  // librdkafka's now
      ++undelivered_[generation_];
      return;
    }
    if (code != RD_KAFKA_RESP_ERR__QUEUE_FULL) {
      const Error failure = error_of(code, rd_kafka_err2str(code), "write a record");
      if (is_permanent(code)) throw Error(failure);
      throw CommitLost(failure);
    }
    rd_kafka_poll(client_.get(), queue_full_ms);
    watch_.waiting(client_.get(), "records to be written");
  }
}

void Sender::serve() {
  if (client_.serve() > 0) watch_.answered();
  throw_failure();
}

void Sender::finish() {
  while (rd_kafka_flush(client_.get(), request_ms / 10) == RD_KAFKA_RESP_ERR__TIMED_OUT) {
    throw_failure();
    watch_.waiting(client_.get(), "records to be written");
  }
  throw_failure();
  watch_.answered();
}

void Sender::throw_failure() {
  if (failure_) {
    const Error failure = *std::exchange(failure_, std::nullopt);
    if (failed_for_good_) throw Error(failure);
    throw CommitLost(failure);
  }
  char text[512];
  if (const auto code = rd_kafka_fatal_error(client_.get(), text, sizeof text);
      code != RD_KAFKA_RESP_ERR_NO_ERROR) {
    const Error failure = error_of(code, text, "write");
    if (is_permanent(code)) throw Error(failure);
    throw CommitLost(failure);
  }
}

void Sender::take_ends(std::map<TopicPartition, std::int64_t>& ends) {
  for (const auto& [name, topic] : outputs_) {
    for (std::size_t p = 0; p < topic->ends.size(); ++p) {
      if (topic->ends[p] > 0) ends[{name, static_cast<std::int32_t>(p)}] = topic->ends[p];
    }
    topic->ends.clear();
  }
}

// ---- KafkaProducer ----

KafkaProducer::KafkaProducer(const Connection& connection, Topics& topics, const ProducerOptions& options)
    : connection_(connection),
      topics_(topics),
      options_(options),
      member_(dynamic_cast<KafkaConsumer*>(options.member)),
      transactional_id_(member_ != nullptr && (options.exactly_once || options.stateful)
                            ? new_transactional_id(member_->group())
                            : ""),
      patience_{member_ == nullptr ? user_patience : std::chrono::nanoseconds::max(), options.stop,
                options.heartbeat},
      offsets_watch_(connection.address, *connection.clock, patience_) {
  TIDERACE_CHECK((member_ != nullptr) == (options.member != nullptr));
}

KafkaProducer::~KafkaProducer() {
  abort();
  // What was not waited for by `commit` gets a moment; under at-least-once its rows come again.
  if (outputs_ && rd_kafka_flush(outputs_->client(), request_ms) != RD_KAFKA_RESP_ERR_NO_ERROR) {
    log(LogLevel::warning, "Kafka: {} records were not written when a producer closed",
        rd_kafka_outq_len(outputs_->client()));
  }
}

Sender& KafkaProducer::outputs() {
  if (options_.exactly_once) return transaction();
  if (!outputs_)
    outputs_ = std::make_unique<Sender>(connection_, producer_settings(connection_), topics_, patience_);
  return *outputs_;
}

Sender& KafkaProducer::transactional() {
  TIDERACE_CHECK(!transactional_id_.empty());
  if (!transactional_) {
    transactional_ = std::make_unique<Sender>(
        connection_, transactional_settings(connection_, transactional_id_), topics_, patience_);
    insist("begin as " + transactional_id_,
           [&] { return rd_kafka_init_transactions(transactional_->client(), request_ms); });
  }
  return *transactional_;
}

Sender& KafkaProducer::transaction() {
  Sender& sender = transactional();
  if (!in_transaction_) {
    insist("begin a transaction", [&] { return rd_kafka_begin_transaction(sender.client()); });
    in_transaction_ = true;
  }
  return sender;
}

void KafkaProducer::warm_up() {
  if (transactional_id_.empty()) return;
  transactional();
  try {
    static_cast<void>(topics_.group_offsets(member_->group()));  // whoever takes partitions over asks there
  } catch (const Error& error) {
    log(LogLevel::debug, "{}", error.what());  // it will be asked again
  }
}

template <class Request>
void KafkaProducer::insist(std::string_view doing, const Request& request) {
  for (;;) {
    const Failure failure(request());
    if (!failure) {
      transactional_->watch().answered();
      return;
    }
    const auto code = rd_kafka_error_code(failure.get());
    const bool lost =
        rd_kafka_error_is_fatal(failure.get()) != 0 || rd_kafka_error_txn_requires_abort(failure.get()) != 0;
    if (!lost && (rd_kafka_error_is_retriable(failure.get()) != 0 || is_passing(code))) {
      transactional_->watch().waiting(transactional_->client(), doing);
      continue;
    }
    if (is_permanent(code)) throw error_of(failure.get(), doing);
    throw CommitLost(error_of(failure.get(), doing));
  }
}

void KafkaProducer::send(std::string_view topic, std::span<const ProducerRecord> records,
                         std::int32_t partition) {
  outputs().send(topic, records, partition);
}

void KafkaProducer::send_state(std::string_view topic, std::span<const ProducerRecord> records,
                               std::int32_t partition) {
  transaction().send(topic, records, partition);
}

void KafkaProducer::flush() {
  if (outputs_) outputs_->serve();
  if (transactional_ && !commit_) transactional_->serve();
}

bool KafkaProducer::claim(std::span<const OffsetCommit> offsets) {
  TIDERACE_CHECK(!in_transaction_);
  if (transactional_id_.empty()) return true;
  transaction();
  try {
    commit_transaction(offsets, true);
  } catch (const CommitLost& reason) {
    log(LogLevel::debug, "{}: partitions are not claimed yet: {}", member_->group(), reason.what());
    abort();
    return false;
  }
  return true;
}

void KafkaProducer::commit_transaction(std::span<const OffsetCommit> offsets, bool claim) {
  rd_kafka_t* const client = transactional_->client();
  if (!offsets.empty()) {
    PartitionList list;
    for (const OffsetCommit& commit : offsets) {
      rd_kafka_topic_partition_t& element = list.add(commit.partition, commit.offset);
      if (commit.given_back) continue;
      element.metadata = rd_kafka_mem_malloc(client, transactional_id_.size());
      std::copy(transactional_id_.begin(), transactional_id_.end(), static_cast<char*>(element.metadata));
      element.metadata_size = transactional_id_.size();
    }
    if (rd_kafka_assignment_lost(member_->client()) != 0)
      throw CommitLost(
          Error(ErrorKind::broker, "Kafka: commit offsets: the group has gone on without this member"));
    const GroupMetadata group(claim ? rd_kafka_consumer_group_metadata(member_->client())
                                    : rd_kafka_consumer_group_metadata_new(member_->group().c_str()));
    if (!group)  // as while it joins anew, having been away for too long
      throw CommitLost(Error(ErrorKind::broker, "Kafka: commit offsets: this member has no id in the group"));
    insist("commit offsets",
           [&] { return rd_kafka_send_offsets_to_transaction(client, list.get(), group.get(), request_ms); });
  }
  insist("commit a transaction", [&] { return rd_kafka_commit_transaction(client, request_ms); });
  in_transaction_ = false;
  transactional_->serve();
}

void KafkaProducer::commit_offsets(std::span<const OffsetCommit> offsets) {
  if (offsets.empty() || member_ == nullptr) return;
  PartitionList list;
  for (const OffsetCommit& commit : offsets) list.add(commit.partition, commit.offset);
  for (;;) {
    check_losses();
    const auto code = rd_kafka_commit(member_->client(), list.get(), 0);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) return offsets_watch_.answered();
    // The group has shared its partitions out anew, and this member has not heard it yet.
    const bool rebalancing =
        (code == RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS || code == RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION) &&
        rd_kafka_assignment_lost(member_->client()) == 0;
    if (!is_passing(code) && !rebalancing)
      throw CommitLost(error_of(code, rd_kafka_err2str(code), "commit offsets of " + member_->group()));
    offsets_watch_.waiting(member_->client(), "offsets to be committed");
  }
}

std::map<TopicPartition, std::int64_t> KafkaProducer::commit(const std::string& group,
                                                             std::span<const OffsetCommit> offsets) {
  begin_commit(group, offsets);
  return end_commit();
}

void KafkaProducer::begin_commit(const std::string& group, std::span<const OffsetCommit> offsets) {
  check_offset_commit(group, offsets);
  TIDERACE_CHECK(offsets.empty() || (member_ != nullptr && group == member_->group()));
  TIDERACE_CHECK(!commit_);
  commit_.emplace().offsets.assign(offsets.begin(), offsets.end());
  commit_->losses = member_ != nullptr ? member_->losses() : 0;
  if (outputs_) outputs_->begin_generation();
}

bool KafkaProducer::commit_ended() {
  TIDERACE_CHECK(commit_.has_value());
  if (!commit_->decision.valid()) {
    // Offsets never say more than what the brokers have.
    if (outputs_) outputs_->serve();
    if (outputs_ && !outputs_->has_delivered()) return false;
    commit_->decision = std::async(std::launch::async, [this] { decide(); });
  }
  return commit_->decision.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
}

void KafkaProducer::check_losses() const {
  if (member_->losses() != commit_->losses)
    throw CommitLost(Error(ErrorKind::broker, "Kafka: commit offsets: partitions were lost"));
}

void KafkaProducer::decide() {
  const std::span<const OffsetCommit> offsets = commit_->offsets;
  if (!in_transaction_ && (transactional_id_.empty() || offsets.empty())) return commit_offsets(offsets);
  if (member_ != nullptr) check_losses();
  transaction();
  commit_transaction(offsets, false);
}

std::map<TopicPartition, std::int64_t> KafkaProducer::end_commit() {
  TIDERACE_CHECK(commit_.has_value());
  try {
    if (commit_->decision.valid()) {
      commit_->decision.get();
    } else {
      if (outputs_) outputs_->finish();
      decide();
    }
  } catch (...) {
    commit_.reset();
    throw;
  }
  commit_.reset();
  std::map<TopicPartition, std::int64_t> ends;
  if (outputs_) outputs_->take_ends(ends);
  if (transactional_) transactional_->take_ends(ends);
  return ends;
}

void KafkaProducer::abort() noexcept {
  if (commit_ && commit_->decision.valid()) commit_->decision.wait();
  commit_.reset();
  if (!in_transaction_ || !transactional_) return;
  in_transaction_ = false;
  const Failure failure(rd_kafka_abort_transaction(transactional_->client(), request_ms));
  // Whoever is given the partitions ends it; a new producer has another id.
  if (failure) log(LogLevel::info, "{}", error_of(failure.get(), "abort a transaction").what());
  transactional_->forget_failure();
}

}  // namespace tiderace::kafka
