#pragma once

#include <atomic>

#include "base/clock.h"

namespace tiderace {

/// A wall clock that stands until it is moved.
class HeldClock final : public Clock {
 public:
  std::int64_t wall_ms() override { return wall_ms_; }
  std::int64_t steady_ns() override { return system_clock().steady_ns(); }
  void move_to(std::int64_t wall_ms) { wall_ms_ = wall_ms; }

 private:
  std::atomic<std::int64_t> wall_ms_ = 0;
};

}  // namespace tiderace
