#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace tiderace::gateway {

constexpr std::size_t longest_reason = 120;  // of a close frame, which holds 123 bytes

/// One WebSocket. All of it on the thread of its loop, but for `stop` and `post`.
class Socket : public std::enable_shared_from_this<Socket> {
 public:
  virtual ~Socket() = default;
  /// Sends a message, after those that wait.
  virtual void send(std::string message, bool binary = false) = 0;
  [[nodiscard]] virtual std::size_t waiting() const noexcept = 0;  ///< messages
  /// Says goodbye after what waits is sent; `reason` is cut at `longest_reason` bytes.
  virtual void close(std::uint16_t code, std::string reason) = 0;
  /// Reads the next message, if none is being read.
  virtual void read() = 0;
  /// Its user is to take no more messages. Any thread.
  virtual void stop() = 0;
  /// Calls `act` on its thread, unless the socket is gone by then. Any thread.
  virtual void post(std::function<void()> act) = 0;
};

/// What is done with a WebSocket, on its thread.
class SocketUser {
 public:
  virtual ~SocketUser() = default;
  virtual void opened(Socket& socket) = 0;
  /// A message has come; the next is read after `Socket::read`.
  virtual void received(std::string_view message, bool binary) = 0;
  /// Nothing waits to be sent any more.
  virtual void drained() {}
  /// It says goodbye: no message comes any more, and none is sent.
  virtual void closing() {}
  /// It takes no more messages: the gateway ends.
  virtual void stop() {}
  virtual void ended() {}
};

namespace close_code {
constexpr std::uint16_t going_away = 1001;
constexpr std::uint16_t not_allowed = 1008;
constexpr std::uint16_t failed = 1011;
constexpr std::uint16_t try_again_later = 1013;
constexpr std::uint16_t opened_elsewhere = 4000;
}  // namespace close_code

}  // namespace tiderace::gateway
