#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <string>

namespace tiderace {

/// A counter of commits in a small file that all processes of one log map into their memory: whoever commits
/// raises it, whoever waits for rows waits for it to change. Any thread. Only a hint: the rows themselves are
/// in the database.
class WakeCounter {
 public:
  /// Maps `path`, made if absent. Throws Error{broker} if that cannot be done.
  explicit WakeCounter(const std::string& path);
  WakeCounter(const WakeCounter&) = delete;
  WakeCounter& operator=(const WakeCounter&) = delete;
  ~WakeCounter();

  [[nodiscard]] std::uint32_t value() const noexcept { return counter_->load(std::memory_order_acquire); }
  void raise() noexcept;
  /// Returns when the counter is not `seen` any more, or after `timeout`. May return early.
  void wait(std::uint32_t seen, std::chrono::nanoseconds timeout) const noexcept;

 private:
  std::atomic<std::uint32_t>* counter_ = nullptr;
};

}  // namespace tiderace
