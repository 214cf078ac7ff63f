#pragma once

#include <fmt/format.h>

#include <string_view>
#include <utility>

namespace tiderace {

enum class LogLevel { debug, info, warning, error };

/// Whether lines of `level` are written. The threshold is the environment variable `TIDERACE_LOG`
/// (`debug info warning error`; default `warning`), read once.
[[nodiscard]] bool log_enabled(LogLevel level) noexcept;

/// Writes one line `2026-11-23T10:00:00.000Z LEVEL text` to standard error in one `write`. Any thread. Never
/// on the row path: what can happen once a row is counted and logged at most once a second by its owner.
void log_line(LogLevel level, std::string_view text) noexcept;

template <class... Args>
void log(LogLevel level, fmt::format_string<Args...> format, Args&&... args) {
  if (log_enabled(level)) log_line(level, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace tiderace
