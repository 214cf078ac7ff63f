#pragma once

#include <tiderace/error.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tiderace {

/// What a JSON text holds, in order. Names and strings are unescaped; views live until the next event.
/// A callback that returns false ends the walk.
class JsonEvents {
 public:
  virtual ~JsonEvents() = default;
  virtual bool null() = 0;
  virtual bool boolean(bool value) = 0;
  virtual bool int64(std::int64_t value) = 0;
  virtual bool float64(double value) = 0;  ///< also `Infinity` and `-Infinity`
  virtual bool string(std::string_view value) = 0;
  virtual bool begin_object() = 0;
  virtual bool name(std::string_view name) = 0;
  virtual bool end_object() = 0;
  virtual bool begin_array() = 0;
  virtual bool end_array() = 0;
};

/// Walks one JSON value, checking all of it (RFC 8259 and UTF-8; `Infinity` and `-Infinity` are taken as
/// numbers), for what is only shown or looked at: a number beyond int64 or double comes as the nearest
/// double, a lone surrogate as U+FFFD. Returns an empty string, or what is wrong and at which byte; events
/// before the fault have been sent by then. Depth is limited to `max_depth`.
[[nodiscard]] std::string walk_json(std::string_view text, JsonEvents& events, int max_depth = 1000);

struct JsonFault {
  BadRowKind kind;  ///< parse, range or too_large
  std::string message;
};
/// The same for values that are used: a number beyond int64 or double and a lone surrogate are faults.
[[nodiscard]] std::optional<JsonFault> read_json(std::string_view text, JsonEvents& events,
                                                 int max_depth = 1000);

}  // namespace tiderace
