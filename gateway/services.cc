#include "gateway/services.h"

#include <algorithm>
#include <utility>

namespace tiderace::gateway {

void Sockets::add(const std::shared_ptr<Socket>& socket, bool writes, std::string session) {
  ++(writes ? writers_ : readers_);
  const std::lock_guard lock(mutex_);
  all_.insert_or_assign(socket, std::move(session));
}

void Sockets::remove(const std::shared_ptr<Socket>& socket) {
  const std::lock_guard lock(mutex_);
  all_.erase(socket);
}

void Sockets::clear() {
  decltype(all_) all;
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
  decltype(all_) all;
  {
    const std::lock_guard lock(mutex_);
    all = all_;
  }
  for (const auto& [socket, session] : all) act(*socket);
}

std::vector<std::string> Sockets::sessions() {
  std::vector<std::string> found;
  const std::lock_guard lock(mutex_);
  for (const auto& [socket, session] : all_) {
    if (!session.empty()) found.push_back(session);
  }
  return found;
}

Services::Services(const Config& given, Application& application)
    : config(given),
      tokens(given),
      admission(given.limits),
      feed(application, given),
      writer(application, given, [this] { return sockets.sessions(); }) {}

}  // namespace tiderace::gateway
