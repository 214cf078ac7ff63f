#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/metrics.h"

namespace tiderace {

/// Writes metrics in Prometheus' text format, version 0.0.4.
class Exposition {
 public:
  using Labels = std::vector<std::pair<std::string_view, std::string>>;

  /// Begins a metric; its samples follow. `type` is `counter`, `gauge` or `histogram`; `help` is one line.
  void metric(std::string_view name, std::string_view type, std::string_view help);
  /// A sample of the metric. Labels may hold anything; what is no UTF-8 is replaced.
  void sample(double value, const Labels& labels = {});
  void sample(std::uint64_t value, const Labels& labels = {});
  void sample(std::int64_t value, const Labels& labels = {});
  void histogram(const DurationHistogram& histogram);

  [[nodiscard]] const std::string& text() const noexcept { return text_; }

 private:
  void begin_sample(std::string_view suffix, const Labels& labels);

  std::string name_;
  std::string text_;
};

}  // namespace tiderace
