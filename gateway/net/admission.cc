#include "gateway/net/admission.h"

#include <algorithm>
#include <utility>

namespace tiderace::gateway {

Admission::Ticket::Ticket(Admission& admission, std::string address)
    : admission_(admission), address_(std::move(address)) {}

Admission::Ticket::~Ticket() {
  const std::lock_guard lock(admission_.mutex_);
  const auto found = admission_.by_address_.find(address_);
  if (--found->second == 0) admission_.by_address_.erase(found);
  if (--admission_.connections_ == 0) admission_.changed_.notify_all();
}

void Admission::wait_until_empty(std::chrono::steady_clock::time_point deadline) {
  std::unique_lock lock(mutex_);
  changed_.wait_until(lock, deadline, [this] { return connections_ == 0; });
}

std::shared_ptr<Admission::Ticket> Admission::admit(const std::string& address) {
  const std::lock_guard lock(mutex_);
  int& of_address = by_address_[address];
  if (connections_ >= limits_.connections || of_address >= limits_.connections_per_address) {
    if (of_address == 0) by_address_.erase(address);
    ++refused_;
    return nullptr;
  }
  ++of_address;
  ++connections_;
  return std::make_shared<Ticket>(*this, address);
}

std::chrono::nanoseconds Rate::take(std::chrono::steady_clock::time_point now) {
  if (filled_ != std::chrono::steady_clock::time_point{})
    left_ = std::min(per_second_, left_ + per_second_ * std::chrono::duration<double>(now - filled_).count());
  filled_ = now;
  left_ -= 1;
  if (left_ >= 0) return std::chrono::nanoseconds(0);
  return std::chrono::nanoseconds(static_cast<std::int64_t>(-left_ / per_second_ * 1e9));
}

}  // namespace tiderace::gateway
