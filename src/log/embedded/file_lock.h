#pragma once

#include <optional>
#include <string>
#include <utility>

namespace tiderace {

/// A lock of the operating system on a file, which ends with the object or with the process, however it dies.
/// The file says who holds it and stays when the lock is gone. Any process, and any two objects in one
/// process, exclude each other.
class FileLock {
 public:
  /// The lock on `path` (made if absent), or nullopt if somebody else has it. Throws Error{broker} if the
  /// file cannot be opened.
  [[nodiscard]] static std::optional<FileLock> try_acquire(const std::string& path);
  /// Waits for it without an end.
  [[nodiscard]] static FileLock acquire(const std::string& path);

  FileLock(FileLock&& other) noexcept : descriptor_(other.descriptor_) { other.descriptor_ = -1; }
  FileLock& operator=(FileLock&& other) noexcept {
    std::swap(descriptor_, other.descriptor_);
    return *this;
  }
  ~FileLock();

  /// Replaces the text in the file.
  void write(const std::string& text) const;
  /// The text in the lock file at `path`; empty if there is none.
  [[nodiscard]] static std::string read(const std::string& path);

 private:
  explicit FileLock(int descriptor) : descriptor_(descriptor) {}
  int descriptor_;
};

}  // namespace tiderace
