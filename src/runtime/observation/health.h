#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "runtime/observation/run_metrics.h"

namespace tiderace {

/// An answer to a probe, with its reason in words.
struct Health {
  bool good = true;
  std::string reason;
};

/// Whether every worker makes turns: bad once one has failed, or has made none for longer than `timeout`. One
/// that waits for brokers, for a restore that comes further, or for another process of its group before its
/// first turn, is well.
[[nodiscard]] Health alive(const RunMetrics& metrics, std::int64_t steady_ns,
                           std::chrono::nanoseconds timeout);

/// Whether the group has given every worker its partitions, be it none, and the state of all of them is
/// restored.
[[nodiscard]] Health ready(const RunMetrics& metrics);

}  // namespace tiderace
