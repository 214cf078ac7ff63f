#include "http/http_server.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>
#include <chrono>
#include <thread>
#include <utility>

#include "base/error.h"
#include "base/logging.h"
#include "base/signals.h"

namespace tiderace {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using tcp = asio::ip::tcp;
using Failure = boost::system::error_code;

constexpr std::chrono::seconds request_time{30};  // to come and to be answered, or idle between two
constexpr std::uint32_t max_header_bytes = 8 << 10;
constexpr std::uint64_t max_body_bytes = 64 << 10;  // of what nobody wants; read to get to the next request
constexpr int max_connections = 64;
constexpr std::chrono::milliseconds pause_after_failure{100};

/// One connection, which keeps itself until it is over.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(tcp::socket socket, const HttpServer::Handler& handler, int& connections)
      : stream_(std::move(socket)), handler_(handler), connections_(connections) {
    ++connections_;
  }
  ~Connection() { --connections_; }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  void read() {
    parser_.emplace();
    parser_->header_limit(max_header_bytes);
    parser_->body_limit(max_body_bytes);
    stream_.expires_after(request_time);
    http::async_read(stream_, buffer_, *parser_,
                     [self = shared_from_this()](Failure failure, std::size_t) { self->answer(failure); });
  }

 private:
  void answer(Failure failure) {
    // A client that has sent something else than HTTP, too much of it, or nothing, is owed no answer.
    if (failure) return close();
    const auto& request = parser_->get();
    const bool head = request.method() == http::verb::head;
    const bool known = head || request.method() == http::verb::get;
    HttpResponse made = known ? handle(std::string(request.target()))
                              : HttpResponse{405, "text/plain; charset=utf-8", "wanted GET or HEAD\n"};
    response_ = {};
    response_.result(static_cast<unsigned>(made.status));
    response_.version(request.version());
    response_.keep_alive(request.keep_alive());
    response_.set(http::field::content_type, made.content_type);
    response_.set(http::field::cache_control, "no-store");
    if (!known) response_.set(http::field::allow, "GET, HEAD");
    response_.content_length(made.body.size());
    if (!head) response_.body() = std::move(made.body);
    http::async_write(stream_, response_, [self = shared_from_this()](Failure written, std::size_t) {
      self->after_answer(written);
    });
  }

  [[nodiscard]] HttpResponse handle(const std::string& target) const {
    try {
      return handler_(target.substr(0, target.find('?')));
    } catch (const std::exception& error) {
      log(LogLevel::warning, "answering {}: {}", target, error.what());
      return {500, "text/plain; charset=utf-8", "failed\n"};
    }
  }

  void after_answer(Failure failure) {
    if (failure || !response_.keep_alive()) return close();
    read();
  }

  void close() {
    Failure ignored;
    stream_.socket().shutdown(tcp::socket::shutdown_send, ignored);
  }

  beast::tcp_stream stream_;
  const HttpServer::Handler& handler_;
  int& connections_;
  beast::flat_buffer buffer_{max_header_bytes + max_body_bytes};
  std::optional<http::request_parser<http::string_body>> parser_;
  http::response<http::string_body> response_;
};

tcp::endpoint endpoint_of(const HttpServerOptions& options) {
  Failure failure;
  const asio::ip::address address = asio::ip::make_address(options.address, failure);
  if (failure) {
    throw_error(ErrorKind::config,
                "cannot listen on \"{}\": wanted an IP address of this machine, for example 127.0.0.1, or "
                "0.0.0.0 for all",
                options.address);
  }
  return {address, options.port};
}

}  // namespace

class HttpServer::Listener {
 public:
  Listener(const HttpServerOptions& options, Handler handler)
      : handler_(std::move(handler)), acceptor_(context_), again_(context_) {
    const tcp::endpoint endpoint = endpoint_of(options);
    try {
      acceptor_.open(endpoint.protocol());
      acceptor_.set_option(asio::socket_base::reuse_address(true));  // over connections that are closing
      acceptor_.bind(endpoint);
      acceptor_.listen();
      port_ = acceptor_.local_endpoint().port();
    } catch (const boost::system::system_error& error) {
      throw_error(ErrorKind::config,
                  "cannot listen on {} port {}: {}; take another port, or stop what uses it", options.address,
                  options.port, error.code().message());
    }
    accept();
    thread_ = std::thread([this] { run(); });
  }
  ~Listener() {
    context_.stop();
    thread_.join();
  }
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  [[nodiscard]] std::uint16_t port() const noexcept { return port_; }

 private:
  void run() noexcept {
    block_signals();
    while (!context_.stopped()) {
      try {
        context_.run();
      } catch (const std::exception& error) {
        log(LogLevel::warning, "HTTP: {}", error.what());
      }
    }
  }

  void accept() {
    acceptor_.async_accept([this](Failure failure, tcp::socket socket) {
      if (failure) return accept_later();  // no more files, for example
      // Beyond the limit a connection is closed as soon as it came.
      if (connections_ < max_connections)
        std::make_shared<Connection>(std::move(socket), handler_, connections_)->read();
      accept();
    });
  }

  void accept_later() {
    again_.expires_after(pause_after_failure);
    again_.async_wait([this](Failure failure) {
      if (!failure) accept();
    });
  }

  const Handler handler_;
  int connections_ = 0;       // before the context, whose end is that of the connections
  asio::io_context context_;  // one thread runs it
  tcp::acceptor acceptor_;
  asio::steady_timer again_;
  std::uint16_t port_ = 0;
  std::thread thread_;
};

HttpServer::HttpServer(const HttpServerOptions& options, Handler handler)
    : listener_(std::make_unique<Listener>(options, std::move(handler))) {}

HttpServer::~HttpServer() = default;

std::uint16_t HttpServer::port() const noexcept {
  return listener_->port();
}

}  // namespace tiderace
