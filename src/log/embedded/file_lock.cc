#include "log/embedded/file_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

#include "base/error.h"

namespace tiderace {
namespace {

int open_lock_file(const std::string& path) {
  const int descriptor = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (descriptor < 0) {
    throw_error(ErrorKind::broker,
                "cannot open the lock file {}: {}; the embedded log's directory and the files in it must be "
                "writable by this user",
                path, std::strerror(errno));
  }
  return descriptor;
}

int lock(int descriptor, int operation) noexcept {
  int result = 0;
  do {
    result = ::flock(descriptor, operation);
  } while (result != 0 && errno == EINTR);
  return result == 0 ? 0 : errno;
}

}  // namespace

std::optional<FileLock> FileLock::try_acquire(const std::string& path) {
  FileLock file(open_lock_file(path));
  const int failure = lock(file.descriptor_, LOCK_EX | LOCK_NB);
  if (failure == EWOULDBLOCK) return std::nullopt;
  if (failure != 0) throw_error(ErrorKind::broker, "cannot lock {}: {}", path, std::strerror(failure));
  return file;
}

FileLock FileLock::acquire(const std::string& path) {
  FileLock file(open_lock_file(path));
  const int failure = lock(file.descriptor_, LOCK_EX);
  if (failure != 0) throw_error(ErrorKind::broker, "cannot lock {}: {}", path, std::strerror(failure));
  return file;
}

FileLock::~FileLock() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

void FileLock::write(const std::string& text) const {
  if (::ftruncate(descriptor_, 0) != 0 ||
      ::pwrite(descriptor_, text.data(), text.size(), 0) != static_cast<ssize_t>(text.size())) {
    throw_error(ErrorKind::broker, "cannot write into a lock file: {}", std::strerror(errno));
  }
}

std::string FileLock::read(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

}  // namespace tiderace
