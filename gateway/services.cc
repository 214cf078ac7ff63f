#include "gateway/services.h"

#include <algorithm>
#include <utility>

namespace tiderace::gateway {

void Sockets::add(const std::shared_ptr<Socket>& socket, bool writes) {
  ++(writes ? writers_ : readers_);
  const std::lock_guard lock(mutex_);
  all_.insert(socket);
}

void Sockets::remove(const std::shared_ptr<Socket>& socket) {
  const std::lock_guard lock(mutex_);
  all_.erase(socket);
}

void Sockets::clear() {
  std::set<std::shared_ptr<Socket>> all;
  const std::lock_guard lock(mutex_);
  all.swap(all_);
}

void Sockets::take_session(const std::string& session, const std::shared_ptr<Socket>& socket,
                           std::function<void()> then) {
  std::shared_ptr<Socket> before;
  {
    const std::lock_guard lock(mutex_);
    before = std::exchange(sessions_[session], socket).lock();
    if (sessions_.size() >= sweep_at_) {
      std::erase_if(sessions_, [](const auto& entry) { return entry.second.expired(); });
      sweep_at_ = std::max<std::size_t>(1024, 2 * sessions_.size());
    }
  }
  if (before == nullptr || before == socket) return then();
  Socket& closed = *before;
  closed.post([before = std::move(before), then = std::move(then)] {  // which it lives for
    before->close(close_code::opened_elsewhere, "the session was opened elsewhere");
    then();
  });
}

void Sockets::for_each(const std::function<void(Socket&)>& act) {
  std::set<std::shared_ptr<Socket>> all;
  {
    const std::lock_guard lock(mutex_);
    all = all_;
  }
  for (const auto& socket : all) act(*socket);
}

Services::Services(const Config& given, Application& application)
    : config(given),
      tokens(given),
      admission(given.limits),
      feed(application, given),
      writer(application, given) {}

}  // namespace tiderace::gateway
