#include "log/embedded/wake_counter.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <thread>

#include "base/error.h"

#if defined(__linux__)
#include <linux/futex.h>
#include <sys/syscall.h>
#endif

namespace tiderace {
namespace {

constexpr std::size_t mapped_bytes = 4096;

static_assert(std::atomic<std::uint32_t>::is_always_lock_free &&
                  sizeof(std::atomic<std::uint32_t>) == sizeof(std::uint32_t),
              "the counter is shared between processes");

[[noreturn]] void throw_cannot(const std::string& path) {
  throw_error(ErrorKind::broker,
              "cannot map the wake-up file {}: {}; the embedded log's directory and the files in it must be "
              "writable by this user",
              path, std::strerror(errno));
}

}  // namespace

WakeCounter::WakeCounter(const std::string& path) {
  const int descriptor = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (descriptor < 0) throw_cannot(path);
  void* mapped = MAP_FAILED;
  struct stat status {};
  // Growing is idempotent, so processes that start at the same moment do not disturb each other.
  if (::fstat(descriptor, &status) == 0 &&
      (status.st_size >= static_cast<off_t>(mapped_bytes) || ::ftruncate(descriptor, mapped_bytes) == 0)) {
    mapped = ::mmap(nullptr, mapped_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
  }
  if (mapped == MAP_FAILED) {
    ::close(descriptor);
    throw_cannot(path);
  }
  ::close(descriptor);
  counter_ = static_cast<std::atomic<std::uint32_t>*>(mapped);
}

WakeCounter::~WakeCounter() {
  ::munmap(counter_, mapped_bytes);
}

#if defined(__linux__)

void WakeCounter::raise() noexcept {
  counter_->fetch_add(1, std::memory_order_release);
  ::syscall(SYS_futex, counter_, FUTEX_WAKE, INT_MAX, nullptr, nullptr, 0);
}

void WakeCounter::wait(std::uint32_t seen, std::chrono::nanoseconds timeout) const noexcept {
  if (value() != seen || timeout.count() <= 0) return;
  const timespec relative{timeout.count() / 1'000'000'000, timeout.count() % 1'000'000'000};
  ::syscall(SYS_futex, counter_, FUTEX_WAIT, seen, &relative, nullptr, 0);
}

#else

void WakeCounter::raise() noexcept {
  counter_->fetch_add(1, std::memory_order_release);
}

void WakeCounter::wait(std::uint32_t seen, std::chrono::nanoseconds timeout) const noexcept {
  // No futex between processes here: a look at memory every millisecond costs next to nothing.
  constexpr std::chrono::nanoseconds nap = std::chrono::milliseconds(1);
  for (std::chrono::nanoseconds left = timeout; left.count() > 0 && value() == seen; left -= nap) {
    std::this_thread::sleep_for(std::min(nap, left));
  }
}

#endif

}  // namespace tiderace
