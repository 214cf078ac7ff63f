#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tiderace::cli {

/// A line of input, without its line break; `number` counts from 1. Of a line over the limit only the
/// beginning is there.
struct Line {
  std::uint64_t number = 0;
  std::string_view text;
  bool too_long = false;
};

/// Standard input as whole lines, many at a time, in memory bounded by about `batch_bytes` and the longest
/// line.
class LineInput {
 public:
  LineInput(std::size_t batch_bytes, std::size_t max_line_bytes)
      : batch_bytes_(batch_bytes), max_line_bytes_(max_line_bytes) {}

  /// The lines that stand ready, waiting for the first; blank lines are left out. They live until the next
  /// call, and `record_padding` bytes behind each are readable. No lines: the end, or a signal. A line that
  /// is too long comes alone and is the last. Throws Error{broker} if standard input cannot be read.
  [[nodiscard]] std::vector<Line> next();

 private:
  /// Reads once. False at the end, at a signal, and, unless told to `wait`, if nothing stands ready.
  bool fill(bool wait);
  [[nodiscard]] std::vector<Line> take_lines();

  std::size_t batch_bytes_;
  std::size_t max_line_bytes_;
  std::string buffer_;
  std::size_t size_ = 0;       ///< bytes of input in `buffer_`
  std::size_t lines_end_ = 0;  ///< the end of the last whole line among them
  std::uint64_t number_ = 0;   ///< of the last line that was handed out
  bool at_end_ = false;
};

}  // namespace tiderace::cli
