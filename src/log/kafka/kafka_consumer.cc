#include "log/kafka/kafka_consumer.h"

#include <algorithm>
#include <array>
#include <thread>

#include "base/error.h"
#include "base/logging.h"
#include "log/assignment.h"

namespace tiderace::kafka {
namespace {

constexpr int request_ms = 5'000;

Config consumer_config(const Connection& connection, const ConsumerOptions& options) {
  Settings base = {
      {"group.id", options.group},
      {"enable.auto.commit", "false"},
      {"enable.auto.offset.store", "false"},
      {"auto.offset.reset", "error"},
      {"isolation.level", "read_committed"},
      {"partition.assignment.strategy", "cooperative-sticky"},
      {"enable.partition.eof", "true"},
      {"fetch.error.backoff.ms", "50"},
      {"topic.metadata.refresh.interval.ms", "10000"},
      {"session.timeout.ms", "6000"},
      {"heartbeat.interval.ms", "50"},
  };
  base.merge(queue_limits(connection.options.max_memory / 2 / static_cast<std::size_t>(options.workers)));
  if (options.may_pause) base["max.poll.interval.ms"] = "86400000";  // the most that there is
  if (!options.group_instance_id.empty()) {
    base["group.instance.id"] = options.workers == 1
                                    ? options.group_instance_id
                                    : fmt::format("{}-{}", options.group_instance_id, options.worker);
  }
  return connection.config(base, connection.options.consumer_config);
}

Config with_rebalance(Config config, KafkaConsumer* self,
                      void (*rebalance)(rd_kafka_t*, rd_kafka_resp_err_t, rd_kafka_topic_partition_list_t*,
                                        void*)) {
  config.set_owner(self);
  rd_kafka_conf_set_rebalance_cb(config.get(), rebalance);
  return config;
}

}  // namespace

KafkaConsumer::KafkaConsumer(const Connection& connection, Topics& topics, const ConsumerOptions& options)
    : connection_(connection),
      topics_(topics),
      options_((check_consumer_options(options), options)),
      idle_(connection.address, *connection.clock),
      undecided_(connection),
      client_(RD_KAFKA_CONSUMER, with_rebalance(consumer_config(connection, options), this, rebalance)) {
  session_ns_ = std::stoll(client_.setting("session.timeout.ms")) * 1'000'000;
  heartbeat_ns_ = std::stoll(client_.setting("heartbeat.interval.ms")) * 1'000'000;
}

KafkaConsumer::~KafkaConsumer() {
  // What is committed is committed; the group goes on without this member at once. The callback gives up the
  // rest.
  give_up_revoked();
  closing_ = true;
  rd_kafka_consumer_close(client_.get());
}

void KafkaConsumer::subscribe(const std::vector<std::string>& topics) {
  subscribed_ = topics;
  PartitionList list;
  for (const std::string& topic : topics) list.add({topic, RD_KAFKA_PARTITION_UA}, RD_KAFKA_OFFSET_INVALID);
  check(rd_kafka_subscribe(client_.get(), list.get()), "subscribe");
}

void KafkaConsumer::rebalance(rd_kafka_t* client, rd_kafka_resp_err_t code,
                              rd_kafka_topic_partition_list_t* partitions, void* opaque) {
  auto& self = owner_of<KafkaConsumer>(opaque);
  self.told_.rebalanced = true;
  self.latest_ = {};
  rd_kafka_yield(client);  // the poll that this happens in returns, and waits for no row
  self.rebalanced_ns_ = self.connection_.clock->steady_ns();
  if (code == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
    for (int i = 0; i < partitions->cnt; ++i) {
      const TopicPartition partition = partition_of(partitions->elems[i]);
      self.positions_[partition] = {};
      self.told_.assigned.push_back(partition);
    }
    const PartitionList none;  // each is given by `start`
    const Failure failure(rd_kafka_incremental_assign(client, none.get()));
    if (failure) log(LogLevel::error, "{}", error_of(failure.get(), "take assigned partitions").what());
    return;
  }
  const bool lost = rd_kafka_assignment_lost(client) != 0;
  if (lost) ++self.losses_;
  self.revoked_.emplace();
  for (int i = 0; i < partitions->cnt; ++i) {
    const TopicPartition partition = partition_of(partitions->elems[i]);
    const auto found = self.positions_.find(partition);
    if (found != self.positions_.end() && found->second.started)
      self.revoked_->add(partition, RD_KAFKA_OFFSET_INVALID);
    self.positions_.erase(partition);
    // One that came and went within a poll was never the worker's.
    if (std::erase(self.told_.assigned, partition) > 0) continue;
    (lost ? self.told_.lost : self.told_.revoked).push_back(partition);
  }
  // The worker commits what it has done before the group hears that they are free. librdkafka reads nothing
  // until they are given up, of no partition.
  if (lost || self.closing_) self.give_up_revoked();
}

void KafkaConsumer::give_up_revoked() {
  if (!revoked_) return;
  const Failure failure(rd_kafka_incremental_unassign(client_.get(), revoked_->get()));
  if (failure) log(LogLevel::error, "{}", error_of(failure.get(), "give up revoked partitions").what());
  revoked_.reset();
}

void KafkaConsumer::keep_heart_beating() {
  const std::int64_t now_ns = connection_.clock->steady_ns();
  if (now_ns - beat_ns_ < heartbeat_ns_) return;
  beat_ns_ = now_ns;
  // librdkafka looks whether a heartbeat is due when something else wakes its thread, else once a second; and
  // by heartbeats members hear of a rebalance. This question is answered by that thread, without a broker
  // (by null where the member has no id, as while it joins).
  if (auto* const answer = rd_kafka_consumer_group_metadata(client_.get()))
    rd_kafka_consumer_group_metadata_destroy(answer);
}

void KafkaConsumer::look_for_undecided() {
  if (!undecided_.is_due()) return;
  std::map<TopicPartition, std::int64_t> reached;
  for (const auto& [partition, position] : positions_)
    if (position.at_end) reached.emplace(partition, position.next);
  undecided_.look(client_.get(), reached,
                  [this](const TopicPartition& partition) { return topics_.read_stable_end(partition); });
}

PollResult KafkaConsumer::poll(std::chrono::milliseconds timeout) {
  give_up_revoked();
  keep_heart_beating();
  look_for_undecided();
  client_.serve();
  PollResult result;
  latest_ = {};
  auto wait = static_cast<int>(timeout.count());
  std::size_t bytes = 0;
  while (bytes < options_.max_poll_bytes && !told_.rebalanced) {
    // One by one: whatever else waits is in librdkafka's hands until it is handed out. Of a batch that it has
    // collected (rd_kafka_consume_batch_queue), a rebalance throws away what is of a partition that stays,
    // and the partition goes on behind it.
    const Message message(rd_kafka_consumer_poll(client_.get(), std::exchange(wait, 0)));
    if (!message) break;
    bytes += message->len + message->key_len + sizeof(Record);
    take(*message, result);
  }
  if (runs_.empty())
    idle_.look(client_.get(), "rows to read");
  else
    idle_.answered();
  result.behind = !runs_.empty();
  for (RunBuilder& run : runs_) {
    const auto found = positions_.find(run.partition());
    // Revoked in the same poll: its next owner reads them, be it this member.
    if (found == positions_.end() || !found->second.started) continue;
    found->second.run.reset();
    result.records.push_back(run.finish(found->second.next));
    const auto end = heard_end_offset(run.partition());
    const auto read = static_cast<std::int64_t>(result.records.back()->rows.size());
    if (!end || *end - found->second.next <= read) result.behind = false;
  }
  runs_.clear();
  result.revoked = std::move(told_.revoked);
  result.lost = std::move(told_.lost);
  result.assigned = std::move(told_.assigned);
  result.rebalanced = told_.rebalanced;
  told_ = {};
  return result;
}

void KafkaConsumer::take(const rd_kafka_message_t& message, PollResult& result) {
  if (message.err != RD_KAFKA_RESP_ERR_NO_ERROR) return take_error(message, result);
  if (latest_.topic != message.rkt || latest_.partition != message.partition) {
    const auto found = positions_.find(partition_of(message));
    if (found == positions_.end()) return;
    latest_ = {message.rkt, message.partition, &found->second};
  }
  Position& position = *latest_.position;
  if (!position.started || message.offset < position.next) return;
  if (!position.run) {
    position.run = runs_.size();
    runs_.emplace_back(partition_of(message));
  }
  runs_[*position.run].add(message);
  position.next = message.offset + 1;
  position.at_end = false;
}

void KafkaConsumer::take_error(const rd_kafka_message_t& message, PollResult& result) {
  if (message.err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
    idle_.answered();
    const TopicPartition partition = partition_of(message);
    const auto found = positions_.find(partition);
    if (found == positions_.end() || !found->second.started || message.offset < found->second.next) return;
    found->second.next = message.offset;
    found->second.at_end = true;
    result.reached.emplace_back(partition, message.offset);
    return;
  }
  if (message.err == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET) {
    throw_error(
        ErrorKind::broker,
        "Kafka: group {}: topic {} partition {} no longer has the rows that come next: {}; they fell off its "
        "retention. on_lost_offset= says where to go on",
        options_.group, rd_kafka_topic_name(message.rkt), message.partition,
        rd_kafka_message_errstr(&message));
  }
  if (is_passing(message.err) || message.err == RD_KAFKA_RESP_ERR__MAX_POLL_EXCEEDED ||
      message.err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART) {
    log(LogLevel::debug, "Kafka: {}", rd_kafka_message_errstr(&message));
    return;
  }
  if (message.err == RD_KAFKA_RESP_ERR__FATAL) {
    std::array<char, 512> text{};
    const auto cause = rd_kafka_fatal_error(client_.get(), text.data(), text.size());
    throw error_of(cause, text.data(), "read as a member of group " + options_.group);
  }
  throw error_of(message.err, rd_kafka_message_errstr(&message), "read");
}

BrokerWatch KafkaConsumer::new_watch() const {
  return {connection_.address, *connection_.clock, Patience{.stop = options_.stop}};
}

KafkaConsumer::Position& KafkaConsumer::position_of(const TopicPartition& partition) {
  const auto found = positions_.find(partition);
  if (found == positions_.end()) throw_not_assigned(partition, options_);
  return found->second;
}

void KafkaConsumer::start(const TopicPartition& partition, std::int64_t offset) {
  Position& position = position_of(partition);
  position.next = offset;
  position.at_end = false;
  const std::string doing =
      fmt::format("read {} partition {} from offset {}", partition.topic, partition.partition, offset);
  PartitionList list;
  list.add(partition, offset);
  if (!position.started) {
    const Failure failure(rd_kafka_incremental_assign(client_.get(), list.get()));
    if (failure) throw error_of(failure.get(), doing);
    position.started = true;
    return;
  }
  seek(list, doing);
}

void KafkaConsumer::hold(const TopicPartition& partition) {
  const auto found = positions_.find(partition);
  if (found == positions_.end() || !found->second.started) return;
  PartitionList list;
  list.add(partition, RD_KAFKA_OFFSET_INVALID);
  const Failure failure(rd_kafka_incremental_unassign(client_.get(), list.get()));
  if (failure) throw error_of(failure.get(), "hold " + partition.topic);
  found->second = {};
  latest_ = {};
}

void KafkaConsumer::seek(PartitionList& partitions, std::string_view doing) {
  BrokerWatch watch = new_watch();
  for (;;) {
    const Failure failure(rd_kafka_seek_partitions(client_.get(), partitions.get(), request_ms));
    rd_kafka_resp_err_t code = failure ? rd_kafka_error_code(failure.get()) : RD_KAFKA_RESP_ERR_NO_ERROR;
    for (int i = 0; i < partitions.get()->cnt && code == RD_KAFKA_RESP_ERR_NO_ERROR; ++i)
      code = partitions[i].err;
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) return;
    // One was given a moment ago, and the thread that fetches has not heard of it; or is paused in the same
    // moment.
    const bool passes = code == RD_KAFKA_RESP_ERR__STATE || code == RD_KAFKA_RESP_ERR__PREV_IN_PROGRESS ||
                        code == RD_KAFKA_RESP_ERR__OUTDATED || code == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION ||
                        is_passing(code);
    if (!passes) check(code, doing);
    watch.waiting(client_.get(), "a partition to begin");
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

std::pair<std::int64_t, std::int64_t> KafkaConsumer::offsets(const TopicPartition& partition) {
  BrokerWatch watch = new_watch();
  for (;;) {
    try {
      // By another connection than its own, where an answer to a fetch may be waited for, half a second.
      return topics_.read_offsets(partition);
    } catch (const BrokerAway&) {
      watch.waiting(client_.get(), "the offsets of a partition");
    }
  }
}

std::optional<std::int64_t> KafkaConsumer::committed_offset(const TopicPartition& partition) {
  PartitionList list;
  list.add(partition, RD_KAFKA_OFFSET_INVALID);
  BrokerWatch watch = new_watch();
  for (;;) {
    const auto code = rd_kafka_committed(client_.get(), list.get(), request_ms);
    const auto failed = code == RD_KAFKA_RESP_ERR_NO_ERROR ? list[0].err : code;
    if (failed == RD_KAFKA_RESP_ERR_NO_ERROR) break;
    // UNSTABLE_OFFSET_COMMIT: a transaction with an offset of it is being decided.
    if (!is_passing(failed) && failed != RD_KAFKA_RESP_ERR_UNSTABLE_OFFSET_COMMIT)
      check(failed, "ask for the committed offset of " + partition.topic);
    watch.waiting(client_.get(), "a committed offset");
  }
  if (list[0].offset < 0) return std::nullopt;
  return list[0].offset;
}

StartOffset KafkaConsumer::start_offset(const TopicPartition& partition, std::optional<std::int64_t> known) {
  if (!known) known = committed_offset(partition);
  const auto [first, end] = offsets(partition);
  return starting_offset(partition, options_, known, first, end);
}

bool KafkaConsumer::settled() {
  if (rebalanced_ns_ == 0) return false;  // what the group has decided by now, this member has not heard
  try {
    const auto owned = topics_.owned_by(options_.group);
    if (!owned) return false;
    std::vector<TopicPartition> others;
    for (const std::string& name : subscribed_) {
      const auto info = topics_.find(name);
      for (std::int32_t p = 0; info && p < info->config.num_partitions; ++p) {
        if (!owned->contains({name, p})) return false;
        if (!positions_.contains({name, p})) others.push_back({name, p});
      }
    }
    // A dead member stays an owner until its session is over, and then its partitions come here; one that
    // owns them for longer is alive.
    return connection_.clock->steady_ns() - rebalanced_ns_ > session_ns_ || have_processed(others);
  } catch (const BrokerAway&) {
    return false;
  }
}

bool KafkaConsumer::have_processed(const std::vector<TopicPartition>& partitions) {
  if (partitions.empty()) return true;
  const auto committed = topics_.group_offsets(options_.group);
  return std::all_of(partitions.begin(), partitions.end(), [&](const TopicPartition& partition) {
    auto end = ends_of_others_.find(partition);
    if (end == ends_of_others_.end()) {
      const std::int64_t first = topics_.offsets(partition).first;
      const std::int64_t last = topics_.written_offset(partition);
      end = ends_of_others_.emplace(partition, first == last ? 0 : last).first;
    }
    const auto found = committed.find(partition);
    return (found == committed.end() ? 0 : found->second.offset) >= end->second;
  });
}

std::optional<std::int64_t> KafkaConsumer::heard_end_offset(const TopicPartition& partition) {
  const Position& position = position_of(partition);
  if (!position.started) return std::nullopt;
  // Only the end that librdkafka tells knows of transactions; its high watermark counts what is undecided.
  if (position.at_end) return position.next;
  std::int64_t low = 0;
  std::int64_t high = 0;
  const auto code = rd_kafka_get_watermark_offsets(client_.get(), partition.topic.c_str(),
                                                   partition.partition, &low, &high);
  if (code != RD_KAFKA_RESP_ERR_NO_ERROR || high < 0) return std::nullopt;
  return std::max(high, position.next);
}

}  // namespace tiderace::kafka
