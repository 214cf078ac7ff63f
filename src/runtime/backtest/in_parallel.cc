#include "runtime/backtest/in_parallel.h"

#include <sched.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <fstream>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

namespace tiderace {
namespace {

using namespace std::chrono_literals;

/// How many processors' time the container of this process has, rounded up; SIZE_MAX without a limit.
std::size_t processors_of_container() {
  std::ifstream file("/sys/fs/cgroup/cpu.max");
  std::size_t quota = 0;
  std::size_t period = 0;
  if (!(file >> quota >> period) || period == 0) return SIZE_MAX;  // also `max`
  return std::max<std::size_t>(1, (quota + period - 1) / period);
}

std::size_t processors_of_process() {
  cpu_set_t usable;
  if (sched_getaffinity(0, sizeof usable, &usable) != 0)
    return std::max(1u, std::thread::hardware_concurrency());
  return static_cast<std::size_t>(std::max(1, CPU_COUNT(&usable)));
}

/// What threads do and how far they are.
class Parallel {
 public:
  Parallel(std::size_t count, const std::function<void(std::size_t)>& work)
      : work_(work), failures_(count), left_(count) {}

  void run(std::size_t i) {
    try {
      work_(i);
    } catch (...) {
      failures_[i] = std::current_exception();
    }
    const std::lock_guard lock(mutex_);
    if (--left_ == 0) done_.notify_one();
  }

  void wait(const std::function<void()>& while_waiting) {
    std::unique_lock lock(mutex_);
    while (!done_.wait_for(lock, 100ms, [this] { return left_ == 0; })) {
      if (!while_waiting) continue;
      lock.unlock();
      while_waiting();
      lock.lock();
    }
  }

  void rethrow() const {
    for (const std::exception_ptr& failure : failures_) {
      if (failure) std::rethrow_exception(failure);
    }
  }

 private:
  const std::function<void(std::size_t)>& work_;
  std::vector<std::exception_ptr> failures_;
  std::size_t left_;
  std::mutex mutex_;
  std::condition_variable done_;
};

}  // namespace

std::size_t usable_processors() {
  return std::min(processors_of_process(), processors_of_container());
}

void in_parallel(std::size_t count, const std::function<void(std::size_t)>& work,
                 const std::function<void()>& while_waiting) {
  Parallel parallel(count, work);
  {
    std::vector<std::jthread> others;
    std::size_t begun = 1;
    try {
      for (; begun < count; ++begun) others.emplace_back([&parallel, begun] { parallel.run(begun); });
    } catch (const std::system_error&) {
      // No more threads are to be had.
    }
    parallel.run(0);
    for (; begun < count; ++begun) parallel.run(begun);
    parallel.wait(while_waiting);
  }
  parallel.rethrow();
}

}  // namespace tiderace
