#pragma once

#include <tiderace/options.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

namespace tiderace {

/// What one step has done. Written by workers once a batch, read by anyone.
struct StepCounters {
  std::atomic<std::uint64_t> rows_in{0};
  std::atomic<std::uint64_t> rows_out{0};
  std::atomic<std::uint64_t> bad{0};
  std::atomic<std::uint64_t> late{0};
  std::atomic<std::uint64_t> shadow_failed{0};
  std::atomic<std::uint64_t> nanoseconds{0};
};

/// What one worker has done in a run. One thread; a worker goes back to an earlier copy when it goes back to
/// a checkpoint.
struct RunCounters {
  std::uint64_t rows_in = 0;
  std::uint64_t rows_out = 0;
  std::uint64_t filtered = 0;
  std::uint64_t bad = 0;
  std::uint64_t late = 0;
  std::uint64_t not_finite = 0;
  std::uint64_t bytes_read = 0;     ///< keys and values of the rows in
  std::uint64_t bytes_written = 0;  ///< keys, values and headers of the rows out
  std::uint64_t batches = 0;
  void merge(const RunCounters& other) noexcept;
  /// The larger of each: what is shown from outside never goes back, though a worker does.
  void raise_to(const RunCounters& other) noexcept;
};

/// Adds to a counter that others only read closely enough.
inline void count(std::atomic<std::uint64_t>& counter, std::uint64_t by) noexcept {
  if (by != 0) counter.fetch_add(by, std::memory_order_relaxed);
}

/// Durations in buckets that are at most 1/16 wide, from 1 us to hours. One thread; merge to combine.
class LatencyHistogram {
 public:
  void add(std::int64_t ns, std::uint64_t rows) noexcept;
  void merge(const LatencyHistogram& other) noexcept;
  /// The upper edge of the bucket that holds the given share of the rows, in milliseconds; 0 if there are
  /// none.
  [[nodiscard]] double quantile_ms(double share) const noexcept;

 private:
  static constexpr std::size_t buckets = 16 * 44;
  std::array<std::uint64_t, buckets> rows_{};
  std::uint64_t total_ = 0;
};

/// Durations counted into few buckets, as metrics show them. One thread; merge to combine.
class DurationHistogram {
 public:
  /// The upper edges of the buckets in seconds; beyond the last there is one more.
  static constexpr std::array edges = {0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,
                                       0.1,    0.25,  0.5,    1.0,   2.5,  5.0,   10.0};

  void add(std::int64_t ns, std::uint64_t times = 1) noexcept;
  void merge(const DurationHistogram& other) noexcept;
  /// By bucket, not added up.
  [[nodiscard]] const std::array<std::uint64_t, edges.size() + 1>& counts() const noexcept { return counts_; }
  [[nodiscard]] double seconds() const noexcept { return seconds_; }

 private:
  std::array<std::uint64_t, edges.size() + 1> counts_{};
  double seconds_ = 0;
};

/// `counters` and `latency` as what `run` returns.
[[nodiscard]] Summary summarize(const RunCounters& counters, const LatencyHistogram& latency, double seconds);

}  // namespace tiderace
