#pragma once

#include <cstdio>
#include <memory>
#include <string>
#include <string_view>

namespace tiderace {

/// A file read in large pieces, of which the end that is not used yet is kept. One thread.
class PieceFile {
 public:
  /// Throws Error{config} where it cannot be opened.
  explicit PieceFile(std::string path);

  /// What was read and not passed over yet.
  [[nodiscard]] std::string_view text() const noexcept { return std::string_view(buffer_).substr(at_); }
  void pass(std::size_t bytes) noexcept { at_ += bytes; }
  /// Reads more behind it; false at the end of the file.
  bool more();
  [[nodiscard]] bool ended() const noexcept { return ended_; }
  [[nodiscard]] const std::string& path() const noexcept { return path_; }

 private:
  struct Close {
    void operator()(std::FILE* file) const noexcept { std::fclose(file); }
  };
  std::string path_;
  std::unique_ptr<std::FILE, Close> file_;
  std::string buffer_;
  std::size_t at_ = 0;
  bool ended_ = false;
};

}  // namespace tiderace
