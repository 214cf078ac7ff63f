#pragma once

#include <tiderace/options.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "columnar/function.h"

namespace tiderace {

/// Some rows of a source, in its order.
struct SourceRows {
  std::vector<std::string_view> values;  ///< JSON, an object each; into `owner`
  std::vector<std::optional<std::string>> keys;
  std::vector<std::int64_t> timestamps_ms;  ///< -1: it has none
  std::shared_ptr<const void> owner;

  [[nodiscard]] std::size_t size() const noexcept { return values.size(); }
};

/// Reads a source from its beginning to its end, the same rows every time. One thread.
class SourceReader {
 public:
  virtual ~SourceReader() = default;
  /// The next rows, at least one; nullopt at the end. Throws Error{config} that says what cannot be read.
  [[nodiscard]] virtual std::optional<SourceRows> next() = 0;
};

/// Thrown by a reader that was told to stop.
struct SourceStopped {};

/// A history of rows outside the log. A description: nothing is opened before `open`. Any thread.
class SourceConnector {
 public:
  virtual ~SourceConnector() = default;
  /// Its topic is called so, behind the group.
  [[nodiscard]] virtual std::string name() const = 0;
  /// For people, without secrets: `tr.CsvSource("rides.csv")`.
  [[nodiscard]] virtual std::string text() const = 0;
  /// The options of its topic.
  [[nodiscard]] virtual TopicOptions topic() const = 0;
  /// Where `stopped` says so, `open` and the reader's `next` end soon, with SourceStopped; asked on their
  /// thread.
  [[nodiscard]] virtual std::unique_ptr<SourceReader> open(std::function<bool()> stopped) const = 0;
};

}  // namespace tiderace
