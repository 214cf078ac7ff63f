#pragma once

#include <chrono>
#include <cstdint>

namespace tiderace {

/// The only source of time in the engine, so that tests can hold it still or make it jump.
class Clock {
 public:
  virtual ~Clock() = default;
  /// Wall-clock milliseconds since 1970 (UTC); may jump.
  [[nodiscard]] virtual std::int64_t wall_ms() = 0;
  /// Nanoseconds since an arbitrary start; never goes back.
  [[nodiscard]] virtual std::int64_t steady_ns() = 0;
};

/// The machine's clocks. One instance for the process; any thread.
Clock& system_clock();

}  // namespace tiderace
