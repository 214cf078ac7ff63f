#pragma once

#include <librdkafka/rdkafka.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "base/clock.h"
#include "log/kafka/kafka_log.h"
#include "log/kafka/refusals.h"
#include "log/kafka/security/security.h"
#include "log/log.h"

namespace tiderace::kafka {

using Settings = std::map<std::string, std::string>;

/// Deletes what librdkafka hands out.
template <auto Destroy>
struct Destroyer {
  template <class T>
  void operator()(T* object) const noexcept {
    Destroy(object);
  }
};
template <class T, auto Destroy>
using Owned = std::unique_ptr<T, Destroyer<Destroy>>;

using TopicHandle = Owned<rd_kafka_topic_t, rd_kafka_topic_destroy>;
using Queue = Owned<rd_kafka_queue_t, rd_kafka_queue_destroy>;
using Event = Owned<rd_kafka_event_t, rd_kafka_event_destroy>;
using Message = Owned<rd_kafka_message_t, rd_kafka_message_destroy>;
using Failure = Owned<rd_kafka_error_t, rd_kafka_error_destroy>;

/// Partitions with offsets, as librdkafka takes and gives them.
class PartitionList {
 public:
  PartitionList() : list_(rd_kafka_topic_partition_list_new(4)) {}

  rd_kafka_topic_partition_t& add(const TopicPartition& partition, std::int64_t offset);
  [[nodiscard]] rd_kafka_topic_partition_list_t* get() const noexcept { return list_.get(); }
  [[nodiscard]] int size() const noexcept { return list_->cnt; }
  [[nodiscard]] rd_kafka_topic_partition_t& operator[](int i) const noexcept { return list_->elems[i]; }

 private:
  Owned<rd_kafka_topic_partition_list_t, rd_kafka_topic_partition_list_destroy> list_;
};

[[nodiscard]] TopicPartition partition_of(const rd_kafka_topic_partition_t& element);
[[nodiscard]] TopicPartition partition_of(const rd_kafka_message_t& message);

/// The one place where librdkafka's errors become ours: `doing` says what was asked for.
[[nodiscard]] Error error_of(rd_kafka_resp_err_t code, std::string_view text, std::string_view doing);
[[nodiscard]] Error error_of(const rd_kafka_error_t* error, std::string_view doing);
/// The first or one past the last offset of a partition (`which`: RD_KAFKA_OFFSET_BEGINNING or _END; the last
/// as the client's isolation level has it), or the first from a time on (its milliseconds since 1970; -1:
/// there is none); of whoever leads it by now. A partition of which the brokers have not heard for 5 s is not
/// there. Throws as `check`.
[[nodiscard]] std::int64_t query_offset(rd_kafka_t* client, const TopicPartition& partition,
                                        std::int64_t which);
/// Throws BrokerAway where waiting may help, Error{broker} for any other code but success.
void check(rd_kafka_resp_err_t code, std::string_view doing);

/// Has a client that is in no group read these from now on. Throws as `check`; `doing` says what for.
void assign(rd_kafka_t* client, const PartitionList& partitions, std::string_view doing);

/// Whether doing it again cannot help: rights, limits, a topic that is gone.
[[nodiscard]] bool is_permanent(rd_kafka_resp_err_t code) noexcept;
/// Whether a record is refused for what it is, as one without a key in a compacted topic.
[[nodiscard]] bool is_about_record(rd_kafka_resp_err_t code) noexcept;

/// Whether waiting may help: the broker is away, a leader or coordinator is being elected.
[[nodiscard]] bool is_passing(rd_kafka_resp_err_t code) noexcept;

/// How far ahead a consumer may fetch, in about so much memory (at least 4 MB). Of a record that waits
/// librdkafka counts the value and the key alone; it takes some 300 bytes more.
[[nodiscard]] Settings queue_limits(std::size_t bytes);

class Config;

/// What all clients of one log have in common.
struct Connection {
  std::string address;
  KafkaOptions options;
  Clock* clock = &system_clock();
  std::string client_id = {};

  /// `base`, then what security wants, then what the user set for this kind of client, which wins.
  [[nodiscard]] Config config(const Settings& base, const Settings& users) const;
};

/// What stands behind a client of librdkafka for its callbacks.
struct ClientContext {
  ClientContext(const Connection& connection, const Settings& settings);

  const std::string address;
  Clock* const clock;
  const Secrets secrets;
  Refusals refusals;
  const std::function<SecurityToken()> token;
  std::atomic<std::int64_t> token_until_ns = 0;  ///< by the wall clock; 0: there is none
  void* owner = nullptr;                         ///< whose callbacks they are
};

/// A configuration under construction.
class Config {
 public:
  /// Throws Error{config} for a name that librdkafka does not know or a value that it does not take.
  Config(const Settings& settings, std::unique_ptr<ClientContext> context);
  /// Whom `owner_of` finds in the callbacks.
  void set_owner(void* owner) noexcept { context_->owner = owner; }
  [[nodiscard]] rd_kafka_conf_t* get() const noexcept { return conf_.get(); }

 private:
  friend class Client;
  void set(const std::string& name, const std::string& value);

  Owned<rd_kafka_conf_t, rd_kafka_conf_destroy> conf_;
  std::unique_ptr<ClientContext> context_;
};

/// The owner of a client, by what its callbacks are given.
template <class Owner>
[[nodiscard]] Owner& owner_of(void* opaque) noexcept {
  return *static_cast<Owner*>(static_cast<ClientContext*>(opaque)->owner);
}

/// A handle of librdkafka. Its own log lines go to ours, at the level debug: what a user has to know, we say.
class Client {
 public:
  Client(rd_kafka_type_t type, Config config);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  [[nodiscard]] rd_kafka_t* get() const noexcept { return client_; }
  /// The value that holds, the user's or a default.
  [[nodiscard]] std::string setting(const char* name) const;
  /// Lets librdkafka's reports in, without waiting; returns how many there were. Throws Error{broker} where
  /// the brokers do not let the client in and waiting does not help.
  int serve() const;
  /// Returns when the brokers have answered for the first time. Throws BrokerAway after `most_ns`.
  void meet(std::int64_t most_ns);
  /// Whether waiting for the brokers has no sense.
  [[nodiscard]] bool refused() const;

 private:
  std::unique_ptr<ClientContext> context_;
  rd_kafka_t* client_ = nullptr;
  std::atomic<bool> met_ = false;
};

/// The same as `Client::serve`.
int serve(rd_kafka_t* client);

/// How long brokers that are away are waited for.
struct Patience {
  std::chrono::nanoseconds most = std::chrono::nanoseconds::max();
  const std::atomic<bool>* stop = nullptr;         ///< once it is set, for some seconds only
  std::atomic<std::int64_t>* heartbeat = nullptr;  ///< set while they are waited for
};

/// Says that the brokers do not answer, every 10 s while they do not, and that they do again.
class BrokerWatch {
 public:
  BrokerWatch(std::string address, Clock& clock, Patience patience = {})
      : address_(std::move(address)), clock_(clock), patience_(patience) {}

  /// Nothing comes: called now and then; asks the brokers at most every 10 s.
  void look(rd_kafka_t* client, std::string_view for_what);
  /// The same where something cannot go on without them. Throws BrokerAway where patience ends.
  void waiting(rd_kafka_t* client, std::string_view for_what);
  /// They have answered.
  void answered();

 private:
  std::string address_;
  Clock& clock_;
  Patience patience_;
  std::int64_t since_ns_ = 0;  ///< of the wait; 0: none
  std::int64_t asked_ns_ = 0;
  bool said_ = false;  ///< that they do not answer
};

}  // namespace tiderace::kafka
