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

}  // namespace tiderace
