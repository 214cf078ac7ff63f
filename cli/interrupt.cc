#include "cli/interrupt.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/error.h"

namespace tiderace::cli {
namespace {

volatile sig_atomic_t caught = 0;
// A byte in this pipe wakes `poll`, also when the signal arrived just before it.
int wake_pipe[2] = {-1, -1};

void on_signal(int number) {
  const int saved = errno;
  caught = number;
  [[maybe_unused]] const auto written = ::write(wake_pipe[1], "", 1);
  errno = saved;
}

}  // namespace

void catch_signals() {
  if (::pipe2(wake_pipe, O_CLOEXEC | O_NONBLOCK) != 0) {
    throw_error(ErrorKind::broker, "cannot make a pipe: {}", std::strerror(errno));
  }
  struct sigaction action = {};
  action.sa_handler = on_signal;
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  ::sigaction(SIGINT, &action, nullptr);
  ::sigaction(SIGTERM, &action, nullptr);
}

int caught_signal() noexcept {
  return caught;
}

bool wait_readable(int descriptor, std::chrono::milliseconds timeout) {
  if (caught != 0) return false;
  pollfd descriptors[2] = {{wake_pipe[0], POLLIN, 0}, {descriptor, POLLIN, 0}};
  const int ready = ::poll(descriptors, 2, static_cast<int>(timeout.count()));
  return ready > 0 && caught == 0 && descriptors[1].revents != 0;
}

}  // namespace tiderace::cli
