#include "runtime/stop_signals.h"

#include <signal.h>

#include <array>
#include <mutex>

namespace tiderace {
namespace {

// A signal handler may only touch lock-free atomics: the table is fixed, the mutex guards those who come and
// go.
std::array<std::atomic<std::atomic<bool>*>, 64> listeners{};
std::atomic<int> seen{0};
std::mutex mutex;
int installed = 0;
struct sigaction former_interrupt;
struct sigaction former_terminate;

extern "C" void tiderace_stop_signal(int signal) {
  if (seen.fetch_add(1) > 0) {
    const struct sigaction& former = signal == SIGINT ? former_interrupt : former_terminate;
    sigaction(signal, &former, nullptr);
    raise(signal);
    return;
  }
  for (auto& listener : listeners) {
    if (std::atomic<bool>* stop = listener.load()) stop->store(true);
  }
}

void install() {
  seen = 0;
  struct sigaction action = {};
  action.sa_handler = tiderace_stop_signal;
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, &former_interrupt);
  sigaction(SIGTERM, &action, &former_terminate);
}

}  // namespace

StopSignals::StopSignals(std::atomic<bool>& stop) : stop_(&stop) {
  const std::lock_guard lock(mutex);
  if (installed++ == 0) install();
  for (auto& listener : listeners) {
    std::atomic<bool>* free = nullptr;
    if (listener.compare_exchange_strong(free, stop_)) return;
  }
}

StopSignals::~StopSignals() {
  const std::lock_guard lock(mutex);
  for (auto& listener : listeners) {
    std::atomic<bool>* mine = stop_;
    if (listener.compare_exchange_strong(mine, nullptr)) break;
  }
  if (--installed > 0) return;
  sigaction(SIGINT, &former_interrupt, nullptr);
  sigaction(SIGTERM, &former_terminate, nullptr);
}

}  // namespace tiderace
