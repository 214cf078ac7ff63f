#include "runtime/metrics.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>

namespace tiderace {
namespace {

/// Microseconds below 16 have a bucket each; above, 16 buckets a power of two.
std::size_t bucket_of(std::uint64_t us) noexcept {
  if (us < 16) return us;
  const auto power = static_cast<std::size_t>(std::bit_width(us)) - 5;  // us >> power is in [16, 32)
  return 16 * power + (us >> power);
}

double upper_edge_us(std::size_t bucket) noexcept {
  if (bucket < 16) return static_cast<double>(bucket + 1);
  const std::size_t power = bucket / 16 - 1;
  return static_cast<double>((bucket % 16 + 17) << power);
}

constexpr std::array run_counters = {
    &RunCounters::rows_in,    &RunCounters::rows_out,      &RunCounters::filtered,
    &RunCounters::bad,        &RunCounters::late,          &RunCounters::not_finite,
    &RunCounters::bytes_read, &RunCounters::bytes_written, &RunCounters::batches};

}  // namespace

void RunCounters::merge(const RunCounters& other) noexcept {
  for (const auto counter : run_counters) this->*counter += other.*counter;
}

void RunCounters::raise_to(const RunCounters& other) noexcept {
  for (const auto counter : run_counters) this->*counter = std::max(this->*counter, other.*counter);
}

void DurationHistogram::add(std::int64_t ns, std::uint64_t times) noexcept {
  const double seconds = static_cast<double>(std::max<std::int64_t>(ns, 0)) / 1e9;
  const auto bucket = std::lower_bound(edges.begin(), edges.end(), seconds) - edges.begin();
  counts_[static_cast<std::size_t>(bucket)] += times;
  seconds_ += seconds * static_cast<double>(times);
}

void DurationHistogram::merge(const DurationHistogram& other) noexcept {
  for (std::size_t i = 0; i < counts_.size(); ++i) counts_[i] += other.counts_[i];
  seconds_ += other.seconds_;
}

void LatencyHistogram::add(std::int64_t ns, std::uint64_t rows) noexcept {
  const auto us = static_cast<std::uint64_t>(std::max<std::int64_t>(ns, 0)) / 1000;
  rows_[std::min(bucket_of(us), buckets - 1)] += rows;
  total_ += rows;
}

void LatencyHistogram::merge(const LatencyHistogram& other) noexcept {
  for (std::size_t i = 0; i < buckets; ++i) rows_[i] += other.rows_[i];
  total_ += other.total_;
}

double LatencyHistogram::quantile_ms(double share) const noexcept {
  if (total_ == 0) return 0;
  const auto wanted = static_cast<std::uint64_t>(share * static_cast<double>(total_ - 1)) + 1;
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i < buckets; ++i) {
    seen += rows_[i];
    if (seen >= wanted) return upper_edge_us(i) / 1000;
  }
  return 0;
}

Summary summarize(const RunCounters& counters, const LatencyHistogram& latency, double seconds) {
  Summary summary;
  summary.rows_in = counters.rows_in;
  summary.rows_out = counters.rows_out;
  summary.filtered = counters.filtered;
  summary.bad = counters.bad;
  summary.late = counters.late;
  summary.not_finite = counters.not_finite;
  summary.seconds = seconds;
  summary.latency_p50_ms = latency.quantile_ms(0.5);
  summary.latency_p99_ms = latency.quantile_ms(0.99);
  summary.latency_max_ms = latency.quantile_ms(1);
  return summary;
}

std::string Summary::to_string() const {
  const double rate = seconds > 0 ? static_cast<double>(rows_in) / seconds : 0;
  return fmt::format(
      "rows in {}, out {}, filtered {}, bad {}, late {}, not finite {}; {:.3f} s, {:.0f} rows/s; latency ms "
      "p50 {:.3f}, p99 {:.3f}, max {:.3f}",
      rows_in, rows_out, filtered, bad, late, not_finite, seconds, rate, latency_p50_ms, latency_p99_ms,
      latency_max_ms);
}

}  // namespace tiderace
