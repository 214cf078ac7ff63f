#include "base/logging.h"

#include <fmt/chrono.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <string>

#include "base/utf8.h"

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

LogFormat format_from_environment() noexcept {
  const char* text = std::getenv("TIDERACE_LOG_FORMAT");
  return text != nullptr && std::strcmp(text, "json") == 0 ? LogFormat::json : LogFormat::text;
}

const char* name_of(LogLevel level, LogFormat format) noexcept {
  const bool json = format == LogFormat::json;
  switch (level) {
    case LogLevel::debug:
      return json ? "debug" : "DEBUG";
    case LogLevel::info:
      return json ? "info" : "INFO";
    case LogLevel::warning:
      return json ? "warning" : "WARNING";
    case LogLevel::error:
      return json ? "error" : "ERROR";
  }
  return "?";
}

std::string time_text(std::int64_t wall_ms) {
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z", fmt::gmtime(static_cast<std::time_t>(wall_ms / 1000)),
                     wall_ms % 1000);
}

void append_escaped(std::string& out, std::string_view text) {
  for (const char byte : to_valid_utf8(text)) {
    switch (byte) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\n':
        out += "\\n";
        break;
      default:
        if (static_cast<unsigned char>(byte) < 0x20)
          fmt::format_to(std::back_inserter(out), "\\u{:04x}", static_cast<unsigned>(byte));
        else
          out += byte;
    }
  }
}

}  // namespace

bool log_enabled(LogLevel level) noexcept {
  static const LogLevel threshold = threshold_from_environment();
  return level >= threshold;
}

LogFormat log_format() noexcept {
  static const LogFormat format = format_from_environment();
  return format;
}

std::string format_log_line(LogFormat format, LogLevel level, std::int64_t wall_ms, std::string_view text) {
  if (format == LogFormat::text)
    return fmt::format("{} {} {}\n", time_text(wall_ms), name_of(level, format), text);
  std::string line =
      fmt::format(R"({{"time":"{}","level":"{}","process":{},"thread":{},"message":")", time_text(wall_ms),
                  name_of(level, format), ::getpid(), ::syscall(SYS_gettid));
  append_escaped(line, text);
  return line + "\"}\n";
}

void log_line(LogLevel level, std::string_view text) noexcept {
  try {
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    const std::string line = format_log_line(
        log_format(), level, std::chrono::duration_cast<std::chrono::milliseconds>(now).count(), text);
    // One write, so that lines of several threads and processes do not mix; a full pipe is no reason to stop.
    [[maybe_unused]] const auto written = ::write(STDERR_FILENO, line.data(), line.size());
  } catch (...) {
  }
}

}  // namespace tiderace
