#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/strand.hpp>
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
  Handshake(asio::ip::tcp::socket socket, const Limits& limits, std::set<std::shared_ptr<Socket>>& open)
      : stream_(std::move(socket)), limits_(limits), open_(open) {}
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
    serve_websocket(std::move(stream_), std::move(request_), std::move(upgrade), limits_);
  }

  PlainStream stream_;
  const Limits& limits_;
  std::set<std::shared_ptr<Socket>>& open_;
  boost::beast::flat_buffer buffer_;
  HttpRequest request_;
};

class Acceptor {
 public:
  Acceptor(asio::io_context& context, const Limits& limits, std::set<std::shared_ptr<Socket>>& open)
      : acceptor_(context, {asio::ip::make_address("127.0.0.1"), 0}), limits_(limits), open_(open) {
    std::printf("%d\n", acceptor_.local_endpoint().port());
    std::fflush(stdout);
    accept();
  }

 private:
  void accept() {
    acceptor_.async_accept([this](auto failure, asio::ip::tcp::socket socket) {
      if (failure) return;
      socket.set_option(asio::ip::tcp::no_delay(true));
      std::make_shared<Handshake>(std::move(socket), limits_, open_)->read();
      accept();
    });
  }
  asio::ip::tcp::acceptor acceptor_;
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
  boost::asio::io_context context;
  const Acceptor acceptor(context, limits, open);
  context.run();
}
