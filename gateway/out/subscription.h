#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "gateway/out/outbox.h"
#include "gateway/target.h"

namespace tiderace::gateway {

/// What a reader wants.
struct ReadRequest {
  enum class From : std::uint8_t { latest, earliest, positions };
  std::vector<std::string> topics;
  std::set<std::string> keys = {};                            ///< empty: all, if `key_patterns` allows
  std::optional<std::vector<std::string>> key_patterns = {};  ///< of what may be read; unset: all
  From from = From::latest;
  Positions positions = {};  ///< of some partitions; the others start at the latest
  bool conflate = false;
};

/// One reader: what it wants and what waits for it. Any thread.
class Subscription {
 public:
  /// `ready` is called, by whoever delivers, when there is something to take and nothing was before.
  Subscription(ReadRequest request, const Outbox::Limits& limits, std::function<void()> ready);

  [[nodiscard]] const ReadRequest& request() const noexcept { return request_; }
  [[nodiscard]] bool wants(const Piece& piece) const;

  /// Takes a piece, unless it is before where the reader begins. False where there is no room for it before
  /// the reader has taken what waits.
  [[nodiscard]] bool deliver(const PiecePtr& piece);
  /// It has had all before `positions`, from somebody else.
  void join(const Positions& positions);
  /// It is told of where it begins; what is before is not delivered.
  void begin(const Positions& positions);

  /// What there is to do for the reader.
  struct Turn {
    std::optional<Positions> begins = {};  ///< once: where it begins
    std::optional<std::string> frame = {};
    bool too_slow = false;  ///< it is over; the rest is thrown away
  };
  [[nodiscard]] Turn take();
  /// Whether what waits, or is on its way, has done so for too long by `now`: then it is over.
  void check(std::chrono::steady_clock::time_point now);
  /// What waits has done so for too long.
  [[nodiscard]] bool too_slow() const;

  [[nodiscard]] std::size_t waiting_bytes() const;
  [[nodiscard]] Positions position() const;
  [[nodiscard]] std::uint64_t left_out() const;
  void close();
  [[nodiscard]] bool closed() const;

 private:
  void wake(std::unique_lock<std::mutex>& lock);

  ReadRequest request_;  ///< as it was given, but for the positions of one that has begun
  const std::function<void()> ready_;
  mutable std::mutex mutex_;
  Outbox outbox_;
  Positions start_;
  std::chrono::steady_clock::time_point taken_;  ///< when something was last taken, or began to wait
  std::optional<Positions> begins_;              ///< where it begins, until it is told of that
  bool is_full_ = false;                         ///< there was no room for a piece since then
  bool waked_ = false;                           ///< `ready_` was called and `take` was not
  bool too_slow_ = false;
  bool closed_ = false;
};

}  // namespace tiderace::gateway
