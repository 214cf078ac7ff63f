// Moves the wall clock of a process that it is preloaded into, and of nobody else: the file that
// SHIFTED_CLOCK names holds nanoseconds, 8 bytes, that are added to CLOCK_REALTIME and may change at any
// time. Waits until a time of that clock end when the moved clock says so, as they do when somebody sets the
// system's: after a step back, a wait of a second takes as long as the step.
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdlib>

namespace {

constexpr std::int64_t second_ns = 1'000'000'000;
constexpr std::int64_t slice_ns = second_ns / 20;

const std::atomic<std::int64_t>* map_shift() {
  static const std::atomic<std::int64_t> none{0};
  const char* path = std::getenv("SHIFTED_CLOCK");
  if (path == nullptr) return &none;
  const int file = ::open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return &none;
  void* mapped = ::mmap(nullptr, sizeof(std::int64_t), PROT_READ, MAP_SHARED, file, 0);
  ::close(file);
  return mapped == MAP_FAILED ? &none : static_cast<const std::atomic<std::int64_t>*>(mapped);
}

std::int64_t shift_ns() {
  static const std::atomic<std::int64_t>* const shift = map_shift();
  return shift->load(std::memory_order_relaxed);
}

/// The function that this one stands before. Some have an old version that does something else.
template <class Function>
Function* next(const char* name, const char* version = "GLIBC_2.3.2") {
  void* found = ::dlvsym(RTLD_NEXT, name, version);
  if (found == nullptr) found = ::dlsym(RTLD_NEXT, name);
  return reinterpret_cast<Function*>(found);
}

std::int64_t nanoseconds(const timespec& time) {
  return time.tv_sec * second_ns + time.tv_nsec;
}

timespec timespec_of(std::int64_t nanoseconds) {
  return {.tv_sec = nanoseconds / second_ns, .tv_nsec = nanoseconds % second_ns};
}

timespec real_time() {
  static auto* const call = next<int(clockid_t, timespec*)>("clock_gettime");
  timespec now;
  call(CLOCK_REALTIME, &now);
  return now;
}

/// Calls `wait` with a deadline of the real clock, at most a slice ahead, since the shift may change
/// meanwhile. A slice that ends early is a wake-up without a reason, which those who wait have to expect.
template <class Wait>
int wait_until(const timespec& deadline, int timed_out, int woken, const Wait& wait) {
  // Deadlines of the steady clock, which a condition variable may be made for, are small numbers.
  if (deadline.tv_sec < second_ns) return wait(deadline);
  const std::int64_t slice_end = nanoseconds(real_time()) + slice_ns;
  const timespec end =
      timespec_of(std::max<std::int64_t>(std::min(slice_end, nanoseconds(deadline) - shift_ns()), 0));
  const int result = wait(end);
  if (result != timed_out) return result;
  return nanoseconds(real_time()) + shift_ns() >= nanoseconds(deadline) ? timed_out : woken;
}

}  // namespace

#define PRELOADED extern "C" __attribute__((visibility("default")))

PRELOADED int clock_gettime(clockid_t clock, timespec* time) noexcept {
  static auto* const call = next<int(clockid_t, timespec*)>("clock_gettime");
  const int result = call(clock, time);
  if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
    *time = timespec_of(nanoseconds(*time) + shift_ns());
  return result;
}

PRELOADED int gettimeofday(timeval* time, void*) noexcept {
  const timespec now = timespec_of(nanoseconds(real_time()) + shift_ns());
  *time = {.tv_sec = now.tv_sec, .tv_usec = now.tv_nsec / 1000};
  return 0;
}

PRELOADED time_t time(time_t* result) noexcept {
  const time_t now = timespec_of(nanoseconds(real_time()) + shift_ns()).tv_sec;
  if (result != nullptr) *result = now;
  return now;
}

PRELOADED int timespec_get(timespec* time, int base) noexcept {
  *time = timespec_of(nanoseconds(real_time()) + shift_ns());
  return base;
}

PRELOADED int pthread_cond_timedwait(pthread_cond_t* condition, pthread_mutex_t* mutex,
                                     const timespec* deadline) {
  static auto* const call =
      next<int(pthread_cond_t*, pthread_mutex_t*, const timespec*)>("pthread_cond_timedwait");
  return wait_until(*deadline, ETIMEDOUT, 0,
                    [&](const timespec& end) { return call(condition, mutex, &end); });
}

PRELOADED int cnd_timedwait(cnd_t* condition, mtx_t* mutex, const timespec* deadline) {
  static auto* const call = next<int(cnd_t*, mtx_t*, const timespec*)>("cnd_timedwait");
  return wait_until(*deadline, thrd_timedout, thrd_success,
                    [&](const timespec& end) { return call(condition, mutex, &end); });
}
