#include "log/kafka/kafka_producer.h"

#include <algorithm>
#include <random>

#include "base/error.h"
#include "base/logging.h"
#include "log/assignment.h"

namespace tiderace::kafka {
namespace {

constexpr int request_ms = 5'000;
constexpr std::chrono::nanoseconds user_patience = std::chrono::seconds(10);

using GroupMetadata = Owned<rd_kafka_consumer_group_metadata_t, rd_kafka_consumer_group_metadata_destroy>;

/// Empty: offsets are committed by the consumer, if there is one.
std::string transactional_id_of(const ProducerOptions& options, const KafkaConsumer* member) {
  if (member == nullptr) return options.transactional_id;
  if (!options.exactly_once && !options.stateful) return {};
  std::random_device random;
  return fmt::format("{}-{:08x}{:08x}{:08x}", member->group(), random(), random(), random());
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

}  // namespace

KafkaProducer::KafkaProducer(const Connection& connection, Topics& topics, const ProducerOptions& options)
    : connection_(connection),
      topics_(topics),
      options_(options),
      member_(dynamic_cast<KafkaConsumer*>(options.member)),
      transactional_id_(transactional_id_of(options, member_)),
      patience_{member_ == nullptr ? user_patience : std::chrono::nanoseconds::max(), options.stop,
                options.heartbeat},
      offsets_watch_(connection.address, *connection.clock, patience_) {
  TIDERACE_CHECK((member_ != nullptr) == (options.member != nullptr));
}

KafkaProducer::~KafkaProducer() {
  abort();
  // What was not waited for by `commit` gets a moment; under at-least-once its rows come again.
  if (!outputs_) return;
  rd_kafka_flush(outputs_->client(), request_ms);
  if (const std::uint64_t left = outputs_->unacknowledged(); left > 0)
    log(LogLevel::warning, "Kafka: {} records were not written when a producer closed", left);
}

Sender& KafkaProducer::outputs() {
  if (options_.exactly_once || (member_ == nullptr && !transactional_id_.empty())) return transaction();
  if (!outputs_)
    outputs_ = std::make_unique<Sender>(connection_, producer_settings(connection_), topics_, patience_);
  return *outputs_;
}

Sender& KafkaProducer::transactional() {
  TIDERACE_CHECK(!transactional_id_.empty());
  if (!transactional_) {
    transactional_ =
        std::make_unique<Sender>(connection_, transactional_settings(connection_, transactional_id_), topics_,
                                 patience_, member_ == nullptr);
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
  if (member_ == nullptr) return;
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
    // The transaction has failed while this was asked for: what a record comes back with says why.
    if (code == RD_KAFKA_RESP_ERR__STATE) transactional_->throw_cause();
    const Error error = error_of(failure.get(), doing);
    // Who writes in transactions of his own can leave the record out.
    if (member_ == nullptr && is_about_record(code)) throw Error(ErrorKind::config, error.what());
    if (is_permanent(code)) throw Error(error);
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
  // A user's has no more to do than what lingers by itself, and other threads that wait for it.
  if (outputs_ && member_ != nullptr) outputs_->hurry();
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

std::vector<Placement> KafkaProducer::take_placements() {
  return transactional_ ? transactional_->take_placements() : std::vector<Placement>();
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
