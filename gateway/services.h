#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "gateway/config.h"
#include "gateway/in/writer.h"
#include "gateway/net/admission.h"
#include "gateway/net/socket.h"
#include "gateway/out/feed.h"
#include "gateway/tokens.h"

namespace tiderace::gateway {

/// Sockets by what they are: all of them, and those that write as a session. Any thread.
class Sockets {
 public:
  /// Holds it until it is removed: one that neither reads nor sends has nobody else. `session` is its key;
  /// empty: none.
  void add(const std::shared_ptr<Socket>& socket, bool writes, std::string session);
  void remove(const std::shared_ptr<Socket>& socket);
  void clear();
  /// From now on `socket` writes as `session`; whoever did is told to close. Calls `then` once nothing that
  /// comes to that one is taken any more, on its thread; at once where there is none.
  void take_session(const std::string& session, const std::shared_ptr<Socket>& socket,
                    std::function<void()> then);
  /// Calls `act` with each socket.
  void for_each(const std::function<void(Socket&)>& act);
  /// The sessions of all sockets, a session perhaps more than once.
  [[nodiscard]] std::vector<std::string> sessions();
  /// How many have been opened that write, and that read.
  [[nodiscard]] std::uint64_t opened(bool writes) const noexcept { return writes ? writers_ : readers_; }

 private:
  std::mutex mutex_;
  std::map<std::shared_ptr<Socket>, std::string> all_;  ///< with their sessions
  std::size_t sweep_at_ = 1024;                         ///< sessions
  std::map<std::string, std::weak_ptr<Socket>, std::less<>> sessions_;
  std::atomic<std::uint64_t> writers_{0};
  std::atomic<std::uint64_t> readers_{0};
};

struct RequestCounters {
  std::atomic<std::uint64_t> unauthorized{
      0};                                   ///< requests without a valid token, or for what it does not allow
  std::atomic<std::uint64_t> wrong{0};      ///< requests that are none
  std::atomic<std::uint64_t> too_slow{0};   ///< readers that were closed
  std::atomic<std::uint64_t> conflated{0};  ///< records that readers were spared
};

/// What connections work with.
struct Services {
  Services(const Config& given, Application& application);

  const Config& config;
  const Tokens tokens;
  Admission admission;
  Sockets sockets;
  RequestCounters requests;
  std::atomic<bool> stopping{false};
  Feed feed;
  Writer writer;  // last: it calls the others
};

}  // namespace tiderace::gateway
