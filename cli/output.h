#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace tiderace::cli {

/// Whole lines to standard output: a line is either all there or not at all, whatever signal arrives.
class LineOutput {
 public:
  /// Where the next line is appended; it counts once `end_line` is called.
  [[nodiscard]] std::string& line() noexcept { return pending_; }
  void end_line();
  /// Throws Error{broker} if standard output cannot be written.
  void flush();

 private:
  std::string pending_;
};

/// Rows of cells in aligned columns, the first row being their names.
[[nodiscard]] std::string table(const std::vector<std::vector<std::string>>& rows);

/// `tiderace: text` to standard error, as one line of its own.
void complain(std::string_view text);

}  // namespace tiderace::cli
