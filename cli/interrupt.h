#pragma once

#include <chrono>

/// SIGINT and SIGTERM as something that the loops of this process look at, so that they end between two lines
/// and not within one. A second signal ends the process at once.
namespace tiderace::cli {

/// Once, before anything reads or writes.
void catch_signals();

/// The signal that arrived, 0 if none did.
[[nodiscard]] int caught_signal() noexcept;

/// Waits until `descriptor` can be read, a signal arrives or `timeout` has passed (negative: no limit;
/// `descriptor` -1: none). Whether `descriptor` can be read (or is at its end).
[[nodiscard]] bool wait_readable(int descriptor, std::chrono::milliseconds timeout);

}  // namespace tiderace::cli
