#pragma once

#include <csignal>

namespace tiderace {

/// Leaves signals to the other threads of the program; for the beginning of a thread.
inline void block_signals() noexcept {
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, nullptr);
}

}  // namespace tiderace
