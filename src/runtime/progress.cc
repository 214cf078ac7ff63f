#include "runtime/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "base/logging.h"

namespace tiderace {

namespace {

constexpr std::int64_t second_ns = 1'000'000'000;
constexpr int line_width = 78;  // a new line covers the one before it; notebooks know no escape sequences

std::function<void(std::string_view)>& output() {
  static std::function<void(std::string_view)> output;
  return output;
}

}  // namespace

void set_progress_output(std::function<void(std::string_view)> given) {
  output() = std::move(given);
}

Progress::Progress(std::string what, std::uint64_t total, Clock& clock, bool shown)
    : what_(std::move(what)),
      total_(total),
      clock_(clock),
      shown_(shown),
      terminal_(output() || (::isatty(STDERR_FILENO) == 1 && log_format() == LogFormat::text)),
      begin_ns_(clock.steady_ns()),
      next_ns_(begin_ns_ + second_ns) {}

Progress::~Progress() {
  if (!drawn_ || !terminal_) return;
  try {
    write(fmt::format("\r{:{}}\r", "", line_width));
  } catch (...) {  // a bar is not worth a backtest
  }
}

void Progress::write(std::string_view text) const {
  if (output()) return output()(text);
  std::fwrite(text.data(), 1, text.size(), stderr);
  std::fflush(stderr);
}

void Progress::reached(std::uint64_t done) {
  done_ = done;
  if (!shown_) return;
  const std::int64_t now = clock_.steady_ns();
  if (now < next_ns_) return;
  next_ns_ = now + (terminal_ ? second_ns / 10 : 10 * second_ns);
  draw();
}

void Progress::draw() {
  const double share =
      total_ == 0 ? 1.0 : std::min(1.0, static_cast<double>(done_) / static_cast<double>(total_));
  const double seconds = static_cast<double>(clock_.steady_ns() - begin_ns_) / 1e9;
  const double rate = seconds > 0 ? static_cast<double>(done_) / seconds : 0;
  drawn_ = true;
  if (!terminal_) {
    log(LogLevel::info, "{}: {} of {} ({:.0f} %), {:.0f} a second", what_, done_, total_, share * 100, rate);
    return;
  }
  constexpr std::size_t width = 30;
  const auto filled = static_cast<std::size_t>(share * width);
  const std::string bar = fmt::format("{} [{}{}] {:3.0f} % {:.0f}/s", what_, std::string(filled, '#'),
                                      std::string(width - filled, '.'), share * 100, rate);
  write(fmt::format("\r{:{}}", bar, line_width));
}

}  // namespace tiderace
