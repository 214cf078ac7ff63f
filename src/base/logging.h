#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace tiderace {

enum class LogLevel { debug, info, warning, error };
enum class LogFormat { text, json };

/// Whether lines of `level` are written. The threshold is the environment variable `TIDERACE_LOG`
/// (`debug info warning error`; default `warning`), read once.
[[nodiscard]] bool log_enabled(LogLevel level) noexcept;

/// What a line is: the environment variable `TIDERACE_LOG_FORMAT` (`text json`; default `text`), read once.
[[nodiscard]] LogFormat log_format() noexcept;

/// One line with its end. Text: `2026-11-23T10:00:00.000Z LEVEL text`. JSON: one object,
/// `{"time":"2026-11-23T10:00:00.000Z","level":"warning","process":1,"thread":1,"message":"text"}`, in valid
/// UTF-8 whatever `text` holds; process and thread are the calling one's numbers in the operating system.
[[nodiscard]] std::string format_log_line(LogFormat format, LogLevel level, std::int64_t wall_ms,
                                          std::string_view text);

/// Writes one line to standard error in one `write`. Any thread. Never on the row path: what can happen once
/// a row is counted and logged at most once a second by its owner.
void log_line(LogLevel level, std::string_view text) noexcept;

/// Keeps what may happen at every row to a line a second. One thread.
class LogPace {
 public:
  /// Notes `events` more; returns how many there were since the last line if it is time for the next, else 0.
  [[nodiscard]] std::uint64_t note(std::uint64_t events, std::int64_t steady_ns) noexcept {
    waiting_ += events;
    if (waiting_ == 0 || (last_ns_ && steady_ns - *last_ns_ < 1'000'000'000)) return 0;
    last_ns_ = steady_ns;
    return std::exchange(waiting_, 0);
  }

 private:
  std::uint64_t waiting_ = 0;
  std::optional<std::int64_t> last_ns_;
};

/// Of something that is waited for: when to say that it still is, once every 10 s. One thread.
class LongWait {
 public:
  explicit LongWait(std::int64_t steady_ns) : since_ns_(steady_ns), told_ns_(steady_ns) {}

  /// How many seconds it has lasted, if it is time to say so.
  [[nodiscard]] std::optional<std::int64_t> due(std::int64_t steady_ns) noexcept {
    if (steady_ns - told_ns_ < 10'000'000'000) return std::nullopt;
    told_ns_ = steady_ns;
    return (steady_ns - since_ns_) / 1'000'000'000;
  }

 private:
  std::int64_t since_ns_;
  std::int64_t told_ns_;
};

template <class... Args>
void log(LogLevel level, fmt::format_string<Args...> format, Args&&... args) {
  if (log_enabled(level)) log_line(level, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace tiderace
