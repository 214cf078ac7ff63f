#pragma once

#include <tiderace/export.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace TIDERACE_API tiderace {

/// One record to write. Absent: no key, a tombstone, the present time.
struct ProduceOptions {
  std::string_view topic = {};
  std::optional<std::string_view> key = {};
  std::optional<std::string_view> value = {};
  std::optional<std::int64_t> timestamp = {};  ///< milliseconds since 1970
  std::vector<std::pair<std::string, std::optional<std::string>>> headers = {};
};

/// Writes records to topics, creating those that do not exist. Records are handed over in blocks: when a
/// block is full, when its oldest record is 5 ms old and another comes, on `flush`, and at the end.
///
/// ```cpp
/// auto producer = app.get_producer();
/// producer.produce({.topic = "phone-data", .key = "rider-1", .value = R"({"timestamp": 1})", .timestamp =
/// 1}); producer.flush();
/// ```
///
/// *Errors*: Error{broker} if the log refuses; Error{config} for a record over the topic's limit. *Threads*:
/// one.
class TopicProducer {
 public:
  ~TopicProducer();  ///< flushes; an error is logged
  TopicProducer(TopicProducer&&) noexcept;
  TopicProducer& operator=(TopicProducer&&) noexcept;

  void produce(const ProduceOptions& record);
  /// Returns when everything produced so far is in the log. Throws Error{broker} if the log refuses a record,
  /// or Kafka does not answer for 10 s: what waits then is kept, and goes out when it answers again; it may
  /// be flushed as often as wanted.
  void flush();

 private:
  friend class Application;
  struct Impl;
  explicit TopicProducer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// Where a record stands in its topic.
struct RecordMetadata {
  std::int32_t partition = 0;
  std::int64_t offset = 0;
  bool operator==(const RecordMetadata&) const = default;
};

/// Writes records to topics in transactions: what was produced becomes visible with `commit`, all of it or
/// nothing, in all topics together. One producer has a transactional id at a time.
///
/// ```cpp
/// auto producer = app.get_transactional_producer("gateway-1");
/// producer.produce({.topic = "phone-data", .key = "rider-1", .value = R"({"timestamp": 1})"});
/// producer.produce({.topic = "sequences", .key = "phone-7", .value = R"({"sequence": 42})"});
/// const std::vector<tr::RecordMetadata> stored = producer.commit();
/// ```
///
/// *Errors*: after any Error{broker} nothing is left of what was produced since the last commit, but that a
/// commit which threw may have been made nevertheless; the next call of `init_transactions` that returns has
/// decided it, so that reading the topics tells. *Threads*: one.
class TransactionalProducer {
 public:
  ~TransactionalProducer();  ///< forgets what is not committed
  TransactionalProducer(TransactionalProducer&&) noexcept;
  TransactionalProducer& operator=(TransactionalProducer&&) noexcept;

  /// Takes the transactional id: what another producer has left open under it is decided, and on Kafka it
  /// cannot commit any more; in the embedded log one in another process is waited for
  /// (`group_lock_timeout`), and one of this application has to be let go of first. `produce` does it where
  /// it was not done. Throws Error{broker} if another has it still, or if Kafka does not answer for 10 s.
  void init_transactions();
  /// Throws Error{config} for a record over the topic's limit, of which nothing is kept.
  void produce(const ProduceOptions& record);
  /// Returns when the log has everything that was produced since the last commit: where each record stands,
  /// in the order of producing. Throws Error{config} if the log refuses one of the records (one without a key
  /// for a compacted topic, a time that the topic does not take): nothing of them is kept.
  [[nodiscard]] std::vector<RecordMetadata> commit();
  /// Forgets what was produced since the last commit; the transactional id is kept.
  void abort() noexcept;

 private:
  friend class Application;
  struct Impl;
  explicit TransactionalProducer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace tiderace
