#include "gateway/net/websocket.h"

#include <algorithm>
#include <boost/beast/websocket.hpp>
#include <boost/beast/websocket/ssl.hpp>
#include <chrono>
#include <ctime>
#include <deque>
#include <optional>
#include <utility>

#include "base/logging.h"

namespace tiderace::gateway {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace websocket = boost::beast::websocket;
using Failure = boost::system::error_code;

constexpr std::size_t small_buffer = 4096;  // what a socket keeps between messages
constexpr std::chrono::seconds last_write_time{10};

/// Boost's own close codes and those of applications are one number here.
websocket::close_reason reason_of(std::uint16_t code, const std::string& text) {
  return {static_cast<websocket::close_code>(code),
          beast::string_view(text.data(), std::min(text.size(), longest_reason))};
}

template <class Stream>
class WebSocket final : public Socket {
 public:
  WebSocket(Loop& loop, Stream stream, Upgrade upgrade, const Limits& limits)
      : loop_(loop),
        stream_(std::move(stream)),
        upgrade_(std::move(upgrade)),
        idle_timeout_(limits.idle_timeout),
        rate_(limits.messages_per_second) {
    websocket::permessage_deflate deflate;
    deflate.server_enable = true;
    // A socket that compresses holds a dictionary each way; a small one does for rows. The client's is its
    // own choice: where it does not let others choose, less than 15 would mean no compression at all.
    deflate.server_max_window_bits = 12;
    deflate.server_no_context_takeover = true;
    deflate.client_no_context_takeover = true;
    deflate.memLevel = 4;
    stream_.set_option(deflate);
    websocket::stream_base::timeout timeout;
    timeout.handshake_timeout = limits.handshake_timeout;
    timeout.idle_timeout = limits.idle_timeout;
    timeout.keep_alive_pings = true;
    stream_.set_option(timeout);
    stream_.read_message_max(limits.message_bytes);
    stream_.set_option(websocket::stream_base::decorator(
        [subprotocol = upgrade_.subprotocol](websocket::response_type& response) {
          response.set(beast::http::field::server, "tiderace");
          if (!subprotocol.empty()) response.set(beast::http::field::sec_websocket_protocol, subprotocol);
        }));
  }
  ~WebSocket() override {
    if (open_) upgrade_.user->ended();
  }

  void accept(HttpRequest request) {
    request_ = std::make_unique<HttpRequest>(std::move(request));
    stream_.async_accept(*request_, [self = self()](Failure failure) {
      self->request_.reset();
      if (failure) return;
      self->open_ = true;
      self->expire();
      if (self->upgrade_.opened) self->upgrade_.opened(self);
      self->guarded([&] { self->upgrade_.user->opened(*self); });
      if (!self->reading_) self->end_unless_read();
    });
  }

  void send(std::string message, bool binary) override {
    if (closing_) return;
    outgoing_.push_back({std::move(message), binary});
    write();
  }
  [[nodiscard]] std::size_t waiting() const noexcept override { return outgoing_.size(); }

  void close(std::uint16_t code, std::string reason) override {
    if (closing_) return;
    closing_ = reason_of(code, reason);
    upgrade_.user->closing();
    if (outgoing_.empty()) return say_goodbye();
    // After what waits, if the other side takes it.
    timer_.emplace(stream_.get_executor());
    timer_->expires_after(last_write_time);
    timer_->async_wait([self = self()](Failure failure) {
      if (!failure && self->writing_) beast::get_lowest_layer(self->stream_).close();
    });
  }

  void read() override {
    wants_more_ = true;
    if (reading_ || closing_) return;
    reading_ = true;
    wants_more_ = false;
    unread_.reset();
    const auto wait = std::exchange(wait_, std::chrono::nanoseconds(0));
    if (wait.count() <= 0) return read_message();
    // Over its rate: what it sends waits in its own buffers.
    pause_.emplace(stream_.get_executor());
    pause_->expires_after(wait);
    pause_->async_wait([self = self()](Failure failure) {
      self->pause_.reset();
      if (!failure && !self->closing_) self->read_message();
    });
  }

  void stop() override {
    post([this] { upgrade_.user->stop(); });
  }

  void post(std::function<void()> act) override {
    loop_.post(weak_from_this(), [this, act = std::move(act)] { guarded(act); });
  }

 private:
  struct Outgoing {
    std::string bytes;
    bool binary;
  };

  std::shared_ptr<WebSocket> self() { return std::static_pointer_cast<WebSocket>(shared_from_this()); }

  /// What goes wrong in one socket is no other's.
  template <class Act>
  void guarded(const Act& act) {
    try {
      act();
    } catch (const std::exception& error) {
      log(LogLevel::error, "gateway: a socket is closed: {}", error.what());
      close(close_code::failed, "the gateway failed");
    }
  }

  void expire() {
    if (!upgrade_.expires) return;
    const std::chrono::seconds left(*upgrade_.expires - static_cast<std::int64_t>(std::time(nullptr)));
    constexpr std::chrono::hours longest{24 * 365};
    if (left > longest) return;  // nanoseconds would not hold it
    expiry_.emplace(stream_.get_executor());
    expiry_->expires_after(left);
    std::weak_ptr<Socket> weak = weak_from_this();
    expiry_->async_wait([weak](Failure failure) {
      const auto self = weak.lock();
      if (!failure && self != nullptr) self->close(close_code::not_allowed, "the token has expired");
    });
  }

  void read_message() {
    stream_.async_read(buffer_, [self = self()](Failure failure, std::size_t) { self->received(failure); });
  }

  void received(Failure failure) {
    if (failure) return end();
    if (closing_) return buffer_.consume(buffer_.size());  // another may count on it not being stored
    wants_more_ = false;
    wait_ = rate_.take(std::chrono::steady_clock::now());
    const auto bytes = buffer_.cdata();
    guarded([&] {
      upgrade_.user->received(std::string_view(static_cast<const char*>(bytes.data()), bytes.size()),
                              stream_.got_binary());
    });
    buffer_.consume(buffer_.size());
    if (buffer_.capacity() > small_buffer) buffer_ = beast::flat_buffer();
    reading_ = false;  // not before: the buffer was in use
    if (wants_more_) return read();
    end_unless_read();
  }

  /// While nothing is read, neither a pong nor the end of the other side is noticed: after as long as one may
  /// be silent it is over.
  void end_unless_read() {
    unread_.emplace(stream_.get_executor());
    unread_->expires_after(idle_timeout_);
    std::weak_ptr<Socket> weak = weak_from_this();
    unread_->async_wait([this, weak](Failure failure) {
      const auto alive = weak.lock();
      if (failure || alive == nullptr || reading_ || closing_) return;
      beast::get_lowest_layer(stream_).close();
      end();
    });
  }

  void write() {
    if (writing_ || outgoing_.empty()) return;
    writing_ = true;
    stream_.binary(outgoing_.front().binary);
    stream_.async_write(asio::buffer(outgoing_.front().bytes),
                        [self = self()](Failure failure, std::size_t) { self->written(failure); });
  }

  void written(Failure failure) {
    writing_ = false;
    if (failure) return end();
    outgoing_.pop_front();
    if (!outgoing_.empty()) return write();
    if (closing_) return say_goodbye();
    guarded([&] { upgrade_.user->drained(); });
  }

  void say_goodbye() {
    if (timer_) timer_->cancel();
    if (pause_) pause_->cancel();
    stream_.async_close(*closing_, [self = self()](Failure) { self->end(); });
  }

  void end() {
    if (!std::exchange(open_, false)) return;
    if (timer_) timer_->cancel();
    if (pause_) pause_->cancel();
    if (expiry_) expiry_->cancel();
    unread_.reset();
    upgrade_.user->ended();
    if (upgrade_.ended) upgrade_.ended(self());
  }

  Loop& loop_;
  websocket::stream<Stream> stream_;
  Upgrade upgrade_;
  std::unique_ptr<HttpRequest> request_;  ///< until it is answered
  beast::flat_buffer buffer_;
  std::deque<Outgoing> outgoing_;
  bool open_ = false;
  bool reading_ = false;
  bool wants_more_ = false;  ///< `read` was called meanwhile
  bool writing_ = false;
  std::optional<websocket::close_reason> closing_;
  const std::chrono::nanoseconds idle_timeout_;
  Rate rate_;
  std::chrono::nanoseconds wait_{0};
  std::optional<Timer> pause_;
  std::optional<Timer> timer_;
  std::optional<Timer> expiry_;
  std::optional<Timer> unread_;
};

}  // namespace

template <class Stream>
void serve_websocket(Loop& loop, Stream stream, HttpRequest request, Upgrade upgrade, const Limits& limits) {
  std::make_shared<WebSocket<Stream>>(loop, std::move(stream), std::move(upgrade), limits)
      ->accept(std::move(request));
}
template void serve_websocket(Loop&, PlainStream, HttpRequest, Upgrade, const Limits&);
template void serve_websocket(Loop&, TlsStream, HttpRequest, Upgrade, const Limits&);

}  // namespace tiderace::gateway
