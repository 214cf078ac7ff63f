#include "runtime/metrics.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

namespace tiderace {
namespace {

TEST(Latency, QuantilesAreWithinASixteenth) {
  std::mt19937 random(1);
  std::vector<std::int64_t> latencies;
  LatencyHistogram histogram;
  for (int i = 0; i < 10'000; ++i) {
    const auto ns = static_cast<std::int64_t>(std::exp(std::uniform_real_distribution<>(7, 28)(random)));
    latencies.push_back(ns);
    histogram.add(ns, 1);
  }
  std::sort(latencies.begin(), latencies.end());
  for (const double share : {0.0, 0.01, 0.5, 0.9, 0.99, 1.0}) {
    const double exact_ms = static_cast<double>(latencies[static_cast<std::size_t>(share * 9999)]) / 1e6;
    EXPECT_GE(histogram.quantile_ms(share), exact_ms) << share;
    EXPECT_LE(histogram.quantile_ms(share), exact_ms * 17 / 16 + 0.001) << share;
  }
}

TEST(Latency, OfNoRowsIsZeroAndExtremesAreKept) {
  LatencyHistogram histogram;
  EXPECT_EQ(histogram.quantile_ms(0.5), 0);
  histogram.add(-5, 1);
  EXPECT_EQ(histogram.quantile_ms(1), 0.001);
  histogram.add(INT64_MAX, 1);
  EXPECT_GT(histogram.quantile_ms(1), 3'600'000) << "an hour is still told apart";
  EXPECT_EQ(histogram.quantile_ms(0.5), 0.001);
}

TEST(Latency, CountsRowsNotBatchesAndMerges) {
  LatencyHistogram left;
  LatencyHistogram right;
  left.add(1'000'000, 99);
  right.add(100'000'000, 1);
  left.merge(right);
  EXPECT_LT(left.quantile_ms(0.98), 1.1);
  EXPECT_GT(left.quantile_ms(1), 99);
}

TEST(Summary, AddsUpWorkersAndPrintsAllFields) {
  RunCounters counters{10, 5, 2, 1, 3, 4};
  counters.merge({1, 1, 1, 1, 1, 1});
  LatencyHistogram latency;
  latency.add(2'000'000, 1);
  const Summary summary = summarize(counters, latency, 2);
  EXPECT_EQ(summary.rows_in, 11u);
  EXPECT_EQ(summary.rows_out, 6u);
  EXPECT_EQ(summary.filtered, 3u);
  EXPECT_EQ(summary.bad, 2u);
  EXPECT_EQ(summary.late, 4u);
  EXPECT_EQ(summary.not_finite, 5u);
  const std::string text = summary.to_string();
  EXPECT_EQ(text.find("rows in 11, out 6, filtered 3, bad 2, late 4, not finite 5; 2.000 s, 6 rows/s"), 0u)
      << text;
}

}  // namespace
}  // namespace tiderace
