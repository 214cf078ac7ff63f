#include "cli/output.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "base/error.h"

namespace tiderace::cli {

void LineOutput::end_line() {
  pending_ += '\n';
  if (pending_.size() >= 64 << 10) flush();
}

void LineOutput::flush() {
  std::string_view left = pending_;
  while (!left.empty()) {
    const ssize_t written = ::write(STDOUT_FILENO, left.data(), left.size());
    if (written >= 0) {
      left.remove_prefix(static_cast<std::size_t>(written));
    } else if (errno != EINTR) {
      throw_error(ErrorKind::broker, "cannot write to standard output: {}", std::strerror(errno));
    }
  }
  pending_.clear();
}

std::string table(const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string out;
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      const bool last = i + 1 == row.size();
      fmt::format_to(std::back_inserter(out), "{:<{}}{}", row[i], last ? 0 : widths[i], last ? "\n" : "  ");
    }
  }
  return out;
}

void complain(std::string_view text) {
  fmt::print(stderr, "tiderace: {}\n", text);
}

}  // namespace tiderace::cli
