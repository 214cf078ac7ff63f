#include <unistd.h>

#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/beast/http.hpp>
#include <cstdio>
#include <memory>
#include <set>

#include "gateway/net/websocket.h"

/// Sends back what comes, by the gateway's own WebSockets: what a suite of conformance tests talks to. Prints
/// the port that it listens on.
namespace tiderace::gateway {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;

class Echo final : public SocketUser {
 public:
  void opened(Socket& socket) override {
    socket_ = &socket;
    socket.read();
  }
  void received(std::string_view message, bool binary) override {
    socket_->send(std::string(message), binary);
  }
  void drained() override { socket_->read(); }

 private:
  Socket* socket_ = nullptr;
};

/// Reads a handshake, and hands it on.
class Handshake : public std::enable_shared_from_this<Handshake> {
 public:
  Handshake(Loop& loop, TcpSocket socket, const Limits& limits, std::set<std::shared_ptr<Socket>>& open)
      : loop_(loop), stream_(std::move(socket)), limits_(limits), open_(open) {}
  void read() {
    http::async_read(stream_, buffer_, request_, [self = shared_from_this()](auto failure, std::size_t) {
      if (!failure) self->serve();
    });
  }

 private:
  void serve() {
    Upgrade upgrade;
    upgrade.user = std::make_unique<Echo>();
    upgrade.opened = [&open = open_](const std::shared_ptr<Socket>& socket) { open.insert(socket); };
    upgrade.ended = [&open = open_](const std::shared_ptr<Socket>& socket) { open.erase(socket); };
    serve_websocket(loop_, std::move(stream_), std::move(request_), std::move(upgrade), limits_);
  }

  Loop& loop_;
  PlainStream stream_;
  const Limits& limits_;
  std::set<std::shared_ptr<Socket>>& open_;
  boost::beast::flat_buffer buffer_;
  HttpRequest request_;
};

class Acceptor {
 public:
  Acceptor(Loop& loop, const Limits& limits, std::set<std::shared_ptr<Socket>>& open)
      : loop_(loop),
        acceptor_(loop.context(), {asio::ip::make_address("127.0.0.1"), 0}),
        limits_(limits),
        open_(open) {
    std::printf("%d\n", acceptor_.local_endpoint().port());
    std::fflush(stdout);
    accept();
  }

 private:
  void accept() {
    acceptor_.async_accept([this](auto failure, TcpSocket socket) {
      if (failure) return;
      socket.set_option(asio::ip::tcp::no_delay(true));
      std::make_shared<Handshake>(loop_, std::move(socket), limits_, open_)->read();
      accept();
    });
  }
  Loop& loop_;
  asio::basic_socket_acceptor<asio::ip::tcp, Loop::Executor> acceptor_;
  const Limits& limits_;
  std::set<std::shared_ptr<Socket>>& open_;
};

}  // namespace
}  // namespace tiderace::gateway

int main() {
  using namespace tiderace::gateway;
  Limits limits;
  limits.message_bytes = 64 << 20;
  limits.messages_per_second = 1e9;
  std::set<std::shared_ptr<Socket>> open;
  Loop loop;
  const Acceptor acceptor(loop, limits, open);
  pause();  // until it is ended
}
