#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "state/rolling_store.h"

namespace tiderace {

struct OracleRow {
  std::string key;
  std::int64_t event_time = 0;
  std::vector<WindowValue> values;
};

struct OracleResult {
  bool late = false;
  std::vector<WindowValue> values;  ///< one an output
};

/// Rolling by the words of the contract: every result from all rows of its window, looked up anew.
class RollingOracle {
 public:
  explicit RollingOracle(RollingOptions options) : options_(std::move(options)) {}

  OracleResult process(const OracleRow& row) {
    std::vector<Arrived>& rows = rows_[row.key];
    std::int64_t newest = INT64_MIN;
    for (const Arrived& other : rows) newest = std::max(newest, other.position);
    Arrived next{options_.by_time ? row.event_time : static_cast<std::int64_t>(rows.size()), row.values};
    OracleResult result;
    if (!rows.empty() && next.position < newest - options_.width - options_.grace) {
      result.late = true;
      result.values.resize(options_.outputs.size());
      return result;
    }
    rows.push_back(next);
    for (const RollingOptions::Output& output : options_.outputs) {
      std::vector<WindowValue> window;
      for (const Arrived& other : rows) {
        const bool inside =
            other.position > next.position - options_.width && other.position <= next.position;
        if (inside && other.values[output.column].kind != Kind::null)
          window.push_back(other.values[output.column]);
      }
      result.values.push_back(aggregate(output, window));
    }
    return result;
  }

 private:
  struct Arrived {
    std::int64_t position;
    std::vector<WindowValue> values;
  };

  static WindowValue of(double value) {
    if (value != value) return {};
    return {Kind::float64, std::bit_cast<std::uint64_t>(value)};
  }

  static WindowValue aggregate(const RollingOptions::Output& output, const std::vector<WindowValue>& window) {
    if (output.aggregate == Aggregate::count) return {Kind::int64, window.size()};
    if (window.empty() || static_cast<int>(window.size()) < output.min_periods) return {};
    Moments moments;
    for (const WindowValue value : window) moments.add(value, true);
    WindowValue found;
    switch (output.aggregate) {
      case Aggregate::mean:
        found = moments.mean();
        break;
      case Aggregate::sum:
        found = moments.sum();
        break;
      case Aggregate::std:
        found = moments.deviation(output.ddof);
        break;
      case Aggregate::var:
        found = moments.variance(output.ddof);
        break;
      case Aggregate::min:
      case Aggregate::max: {
        found = *std::max_element(window.begin(), window.end(), [&](WindowValue a, WindowValue b) {
          return output.aggregate == Aggregate::max ? less(a, b) : less(b, a);
        });
        if (found.kind != Kind::float64 && moments.any_float())
          found = of(static_cast<double>(found.int64()));
        if (found.kind == Kind::float64) found = of(found.float64() + 0.0);
        return found;
      }
      case Aggregate::count:
        break;
    }
    check_by_other_means(output, window, found);
    return found;
  }

  static void check_by_other_means(const RollingOptions::Output& output,
                                   const std::vector<WindowValue>& window, WindowValue found) {
    long double sum = 0;
    long double absolute = 0;
    for (const WindowValue value : window) {
      const long double x =
          value.kind == Kind::float64 ? value.float64() : static_cast<long double>(value.int64());
      sum += x;
      absolute += std::abs(x);
    }
    if (!(absolute < 1e150L)) return;  // long double has no range for the squares of more
    const auto n = static_cast<long double>(window.size());
    long double squares = 0;
    for (const WindowValue value : window) {
      const long double x =
          value.kind == Kind::float64 ? value.float64() : static_cast<long double>(value.int64());
      squares += (x - sum / n) * (x - sum / n);
    }
    const long double got =
        found.kind == Kind::int64 ? static_cast<long double>(found.int64()) : found.float64();
    const long double variance = squares / (n - output.ddof);
    switch (output.aggregate) {
      case Aggregate::sum:
        EXPECT_LE(std::abs(got - sum), 1e-9L * absolute);
        return;
      case Aggregate::mean:
        EXPECT_LE(std::abs(got - sum / n), 1e-9L * absolute / n);
        return;
      case Aggregate::var:
        if (n > output.ddof) {
          EXPECT_LE(std::abs(got - variance), 1e-9L * variance + 1e-18L * absolute * absolute + 1e-300L);
        }
        return;
      case Aggregate::std:
        if (n > output.ddof) {
          EXPECT_LE(std::abs(got - std::sqrt(variance)),
                    1e-9L * std::sqrt(variance) + 1e-9L * absolute + 1e-300L);
        }
        return;
      default:
        return;
    }
  }

  RollingOptions options_;
  std::map<std::string, std::vector<Arrived>> rows_;
};

}  // namespace tiderace
