#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tiderace {

/// Takes a text apart into fields, line by line.
class CsvSplitter {
 public:
  /// `line`: the number of its first line.
  explicit CsvSplitter(std::string_view text, std::size_t line = 1);

  /// The fields of the next line that is not blank; false at the end. They live as long as this splitter.
  /// Throws Error{plan} for a quote that is not closed.
  bool next(std::vector<std::string_view>& fields);
  /// The number of the line that `next` gave.
  [[nodiscard]] std::size_t line() const noexcept { return begin_line_; }
  /// Where the line that comes next begins, and its number.
  [[nodiscard]] std::size_t position() const noexcept { return at_; }
  [[nodiscard]] std::size_t next_line() const noexcept { return line_; }

 private:
  void end_line();
  std::string_view plain();
  std::string_view quoted();
  std::string_view unescaped();

  std::string_view text_;
  std::size_t at_ = 0;
  std::size_t line_;
  std::size_t begin_line_;
  std::vector<std::unique_ptr<std::string>> unescaped_;
};

/// The names in the first line. Throws Error{plan} where there is none, or two are the same.
[[nodiscard]] std::vector<std::string> csv_header(CsvSplitter& splitter);

// What a field is, as pandas reads it.

/// Nothing, or one of pandas' words for a missing value.
[[nodiscard]] bool is_csv_missing(std::string_view field);
[[nodiscard]] std::optional<std::int64_t> csv_int64(std::string_view field);
/// Whether it is an integer that no int64 is.
[[nodiscard]] bool is_csv_beyond_int64(std::string_view field);
[[nodiscard]] std::optional<double> csv_float64(std::string_view field);
[[nodiscard]] std::optional<bool> csv_boolean(std::string_view field);

}  // namespace tiderace
