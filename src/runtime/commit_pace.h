#pragma once

#include <algorithm>
#include <cstdint>

namespace tiderace {

/// When a worker commits. Every `interval_ns`; where it waits for its commits, and rows have piled up which
/// are late in any case, so much more rarely that commits take no more than a tenth of the time, but at least
/// once a second. One thread.
class CommitPace {
 public:
  /// `stretches`: the interval may become longer over a backlog.
  CommitPace(std::int64_t interval_ns, bool stretches) noexcept
      : interval_ns_(interval_ns), stretches_(stretches) {}

  /// A commit begins, or the run.
  void begin(std::int64_t now_ns) noexcept { begin_ns_ = now_ns; }
  /// The commit that has begun took so long.
  void took(std::int64_t commit_ns) noexcept { took_ns_ = commit_ns; }
  /// The next is due at once.
  void hurry(std::int64_t now_ns) noexcept { begin_ns_ = now_ns - std::max(interval_ns_, longest_ns); }

  /// How long until the next one is due, not above 0 if it is. `behind`: more rows wait than all that are to
  /// be committed were read with.
  [[nodiscard]] std::int64_t left_ns(std::int64_t now_ns, bool behind) const noexcept {
    return begin_ns_ + (behind && stretches_ ? stretched_ns() : interval_ns_) - now_ns;
  }

 private:
  static constexpr std::int64_t longest_ns = 1'000'000'000;

  [[nodiscard]] std::int64_t stretched_ns() const noexcept {
    return std::max(interval_ns_, std::min(10 * took_ns_, longest_ns));
  }

  std::int64_t interval_ns_;
  bool stretches_;
  std::int64_t begin_ns_ = 0;
  std::int64_t took_ns_ = 0;
};

}  // namespace tiderace
