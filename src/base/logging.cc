#include "base/logging.h"

#include <fmt/chrono.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <string>

namespace tiderace {
namespace {

LogLevel threshold_from_environment() noexcept {
  const char* text = std::getenv("TIDERACE_LOG");
  if (text == nullptr) return LogLevel::warning;
  if (std::strcmp(text, "debug") == 0) return LogLevel::debug;
  if (std::strcmp(text, "info") == 0) return LogLevel::info;
  if (std::strcmp(text, "error") == 0) return LogLevel::error;
  return LogLevel::warning;
}

const char* name_of(LogLevel level) noexcept {
  switch (level) {
    case LogLevel::debug:
      return "DEBUG";
    case LogLevel::info:
      return "INFO";
    case LogLevel::warning:
      return "WARNING";
    case LogLevel::error:
      return "ERROR";
  }
  return "?";
}

}  // namespace

bool log_enabled(LogLevel level) noexcept {
  static const LogLevel threshold = threshold_from_environment();
  return level >= threshold;
}

void log_line(LogLevel level, std::string_view text) noexcept {
  try {
    const auto now = std::chrono::system_clock::now();
    const auto ms =
        std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count() % 1000;
    const std::string line =
        fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z {} {}\n",
                    fmt::gmtime(std::chrono::system_clock::to_time_t(now)), ms, name_of(level), text);
    // One write, so that lines of several threads and processes do not mix; a full pipe is no reason to stop.
    [[maybe_unused]] const auto written = ::write(STDERR_FILENO, line.data(), line.size());
  } catch (...) {
  }
}

}  // namespace tiderace
