#pragma once

#include <tiderace/export.h>
#include <tiderace/options.h>

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace TIDERACE_API tiderace {

struct ReaderOptions {
  /// Where it begins in each partition.
  AutoOffsetReset from = AutoOffsetReset::earliest;
  /// Of single partitions, by topic and number: the next offset to read, in place of `from`; what a reader's
  /// `positions` says, to go on where it was.
  std::map<std::pair<std::string, std::int32_t>, std::int64_t> offsets = {};
  /// End at what was written when the reader was made, once open transactions in it are decided.
  bool until_end = false;
};

/// A record as it stands in a topic. Its views hold until the next `poll` of the reader, or its end.
struct TopicRecord {
  std::string_view topic;
  std::int32_t partition = 0;
  std::int64_t offset = 0;
  std::int64_t timestamp = 0;             ///< milliseconds since 1970
  std::optional<std::string_view> key;    ///< absent: none
  std::optional<std::string_view> value;  ///< absent: a tombstone
  std::string_view packed_headers;        ///< see `headers`

  /// Names and values in order; a value may be absent.
  [[nodiscard]] std::vector<std::pair<std::string, std::optional<std::string>>> headers() const;
};

/// Appends `record` as one JSON object without line breaks, as `tiderace topic read` prints it:
/// `{"topic","partition","offset","timestamp","key","headers","value"}`, with `key_base64`, `{"base64": ...}`
/// and `value_base64` for what cannot stand in JSON as it is.
void append_json(std::string& out, const TopicRecord& record);

/// Reads topics as they grow, outside any consumer group: nothing is committed, and any number of readers see
/// the same. Committed records only, those of a partition in the order of their offsets.
///
/// ```cpp
/// auto reader = app.get_reader({"alerts"}, {.until_end = true});
/// while (!reader.at_end()) {
///   for (const tr::TopicRecord& record : reader.poll(1s)) std::cout << *record.value << '\n';
/// }
/// ```
///
/// *Errors*: Error{broker} if the log cannot be read. *Threads*: one.
class TopicReader {
 public:
  ~TopicReader();
  TopicReader(TopicReader&&) noexcept;
  TopicReader& operator=(TopicReader&&) noexcept;

  /// What has come, as soon as there is anything; empty after `timeout`, or where the reader is at its end.
  [[nodiscard]] std::vector<TopicRecord> poll(std::chrono::nanoseconds timeout);
  /// The next offset to read in each partition, by topic and number.
  [[nodiscard]] std::map<std::pair<std::string, std::int32_t>, std::int64_t> positions() const;
  /// Whether everything `until_end` has been read; false without it.
  [[nodiscard]] bool at_end() const;

 private:
  friend class Application;
  struct Impl;
  explicit TopicReader(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace tiderace
