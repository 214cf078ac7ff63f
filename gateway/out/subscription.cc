#include "gateway/out/subscription.h"

#include <algorithm>
#include <utility>

namespace tiderace::gateway {

constexpr std::chrono::seconds longest_wait{30};
constexpr std::chrono::seconds longest_wait_when_full{5};

Subscription::Subscription(ReadRequest request, const Outbox::Limits& limits, std::function<void()> ready)
    : request_(std::move(request)), ready_(std::move(ready)), outbox_(request_.conflate, limits) {}

bool Subscription::wants(const Piece& piece) const {
  if (!request_.keys.empty()) return piece.has_key && request_.keys.contains(piece.key);
  if (request_.key_patterns) return piece.has_key && matches_any(*request_.key_patterns, piece.key);
  return true;
}

void Subscription::begin(const Positions& positions) {
  std::unique_lock lock(mutex_);
  start_ = positions;
  begins_ = positions;
  request_.positions.clear();  // nobody asks for them again
  outbox_.set_position(positions);
  wake(lock);
}

void Subscription::join(const Positions& positions) {
  const std::lock_guard lock(mutex_);
  for (const auto& [partition, next] : positions) start_[partition] = std::max(start_[partition], next);
}

bool Subscription::deliver(const PiecePtr& piece) {
  std::unique_lock lock(mutex_);
  if (closed_ || too_slow_) return true;
  const auto start = start_.find({piece->topic, piece->partition});
  if (start != start_.end() && piece->offset < start->second) return true;
  is_full_ = !outbox_.push(piece);
  if (is_full_) return false;
  wake(lock);
  return true;
}

void Subscription::check(std::chrono::steady_clock::time_point now) {
  std::unique_lock lock(mutex_);
  const std::chrono::seconds longest = is_full_ ? longest_wait_when_full : longest_wait;
  if (closed_ || too_slow_ || !waked_ || now - taken_ <= longest) return;
  too_slow_ = true;
  waked_ = false;
  wake(lock);
}

void Subscription::wake(std::unique_lock<std::mutex>& lock) {
  if (std::exchange(waked_, true)) return;
  taken_ = std::chrono::steady_clock::now();
  lock.unlock();
  ready_();
}

Subscription::Turn Subscription::take() {
  const std::lock_guard lock(mutex_);
  Turn turn;
  taken_ = std::chrono::steady_clock::now();
  is_full_ = false;
  turn.too_slow = too_slow_;
  if (too_slow_) return turn;
  if (begins_) {
    turn.begins = std::exchange(begins_, {});
    return turn;
  }
  if (!outbox_.empty()) {
    turn.frame = outbox_.take_frame();
    return turn;
  }
  waked_ = false;
  return turn;
}

bool Subscription::too_slow() const {
  const std::lock_guard lock(mutex_);
  return too_slow_;
}

std::size_t Subscription::waiting_bytes() const {
  const std::lock_guard lock(mutex_);
  return outbox_.bytes();
}

Positions Subscription::position() const {
  const std::lock_guard lock(mutex_);
  return outbox_.position();
}

std::uint64_t Subscription::left_out() const {
  const std::lock_guard lock(mutex_);
  return outbox_.left_out();
}

void Subscription::close() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
}

bool Subscription::closed() const {
  const std::lock_guard lock(mutex_);
  return closed_;
}

}  // namespace tiderace::gateway
