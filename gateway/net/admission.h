#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "gateway/config.h"

namespace tiderace::gateway {

/// How many connections there are, in all and of each address. Any thread.
class Admission {
 public:
  /// A connection, for as long as it lives.
  class Ticket {
   public:
    Ticket(Admission& admission, std::string address);
    ~Ticket();
    Ticket(const Ticket&) = delete;
    Ticket& operator=(const Ticket&) = delete;

   private:
    Admission& admission_;
    const std::string address_;
  };

  explicit Admission(const Limits& limits) : limits_(limits) {}
  /// Null: there are enough.
  [[nodiscard]] std::shared_ptr<Ticket> admit(const std::string& address);
  /// Until there is no connection, or `deadline`.
  void wait_until_empty(std::chrono::steady_clock::time_point deadline);
  [[nodiscard]] int connections() const noexcept { return connections_; }
  [[nodiscard]] std::uint64_t refused() const noexcept { return refused_; }

 private:
  const Limits& limits_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, int> by_address_;
  std::atomic<int> connections_{0};
  std::atomic<std::uint64_t> refused_{0};
};

/// Tokens of a bucket that fills with time, for one connection.
class Rate {
 public:
  explicit Rate(double per_second) : per_second_(per_second), left_(per_second) {}
  /// Takes one; how long to wait before the next, if the bucket is empty.
  [[nodiscard]] std::chrono::nanoseconds take(std::chrono::steady_clock::time_point now);

 private:
  double per_second_;
  double left_;
  std::chrono::steady_clock::time_point filled_{};
};

}  // namespace tiderace::gateway
