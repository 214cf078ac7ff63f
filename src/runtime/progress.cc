#include "runtime/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "base/logging.h"

namespace tiderace {

constexpr std::int64_t second_ns = 1'000'000'000;

Progress::Progress(std::string what, std::uint64_t total, Clock& clock, bool shown)
    : what_(std::move(what)),
      total_(total),
      clock_(clock),
      shown_(shown),
      terminal_(::isatty(STDERR_FILENO) == 1),
      begin_ns_(clock.steady_ns()),
      next_ns_(begin_ns_ + second_ns) {}

Progress::~Progress() {
  if (drawn_ && terminal_) std::fputs("\r\x1b[K", stderr);
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
  const std::string bar = fmt::format("\r\x1b[K{} [{}{}] {:3.0f} % {:.0f}/s", what_, std::string(filled, '#'),
                                      std::string(width - filled, '.'), share * 100, rate);
  std::fputs(bar.c_str(), stderr);
  std::fflush(stderr);
}

}  // namespace tiderace
