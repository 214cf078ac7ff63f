#include "cli/line_input.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/error.h"
#include "cli/interrupt.h"
#include "columnar/records.h"

namespace tiderace::cli {
namespace {

constexpr std::size_t read_bytes = 256 << 10;
constexpr std::string_view white_space = " \t\r";

}  // namespace

std::vector<Line> LineInput::next() {
  std::copy(buffer_.data() + lines_end_, buffer_.data() + size_, buffer_.data());
  size_ -= lines_end_;
  lines_end_ = 0;
  for (;;) {
    while (!at_end_ && (lines_end_ == 0 ? size_ <= max_line_bytes_ : size_ < batch_bytes_)) {
      if (!fill(lines_end_ == 0)) break;
    }
    if (caught_signal() != 0) return {};
    if (lines_end_ == 0 && size_ > max_line_bytes_) {
      at_end_ = true;
      return {{number_ + 1, std::string_view(buffer_).substr(0, max_line_bytes_), true}};
    }
    std::vector<Line> lines = take_lines();
    if (!lines.empty() || at_end_) return lines;
    // Nothing but blank lines: forget them and read on.
    std::copy(buffer_.data() + lines_end_, buffer_.data() + size_, buffer_.data());
    size_ -= lines_end_;
    lines_end_ = 0;
  }
}

bool LineInput::fill(bool wait) {
  using std::chrono::milliseconds;
  if (!wait_readable(STDIN_FILENO, wait ? milliseconds(-1) : milliseconds(0))) return false;
  const std::size_t wanted = size_ + read_bytes + record_padding;
  if (buffer_.size() < wanted) buffer_.resize(std::max(wanted, 2 * buffer_.size()));
  const ssize_t got = ::read(STDIN_FILENO, buffer_.data() + size_, read_bytes);
  if (got < 0) {
    if (errno == EINTR || errno == EAGAIN) return caught_signal() == 0;
    throw_error(ErrorKind::broker, "cannot read standard input: {}", std::strerror(errno));
  }
  const std::size_t before = size_;
  size_ += static_cast<std::size_t>(got);
  if (got == 0) {
    at_end_ = true;
    lines_end_ = size_;  // the last line may lack its line break
    return false;
  }
  const std::size_t line_break = std::string_view(buffer_.data() + before, size_ - before).rfind('\n');
  if (line_break != std::string_view::npos) lines_end_ = before + line_break + 1;
  return true;
}

std::vector<Line> LineInput::take_lines() {
  std::vector<Line> lines;
  std::string_view left(buffer_.data(), lines_end_);
  while (!left.empty()) {
    const std::size_t end = std::min(left.find('\n'), left.size());
    std::string_view text = left.substr(0, end);
    left.remove_prefix(std::min(end + 1, left.size()));
    ++number_;
    if (text.ends_with('\r')) text.remove_suffix(1);
    if (text.find_first_not_of(white_space) == text.npos) continue;
    lines.push_back({number_, text, text.size() > max_line_bytes_});
  }
  return lines;
}

}  // namespace tiderace::cli
