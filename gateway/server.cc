#include "gateway/server.h"

#include <sys/resource.h>

#include <algorithm>
#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl/context.hpp>
#include <fstream>
#include <optional>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/logging.h"
#include "gateway/net/http_connection.h"
#include "gateway/services.h"

namespace tiderace::gateway {
namespace {

namespace asio = boost::asio;
using tcp = asio::ip::tcp;
using Failure = boost::system::error_code;

constexpr std::chrono::milliseconds pause_after_failure{100};
constexpr std::chrono::seconds drain_time{20};
constexpr std::chrono::seconds goodbye_time{5};

ApplicationOptions application_options(const Config& config) {
  ApplicationOptions options;
  options.broker_address = config.broker_address;
  options.consumer_group = config.id;
  options.security = config.security;
  options.linger = std::chrono::nanoseconds(0);  // a transaction has all that there is
  return options;
}

/// Has OpenSSL `load` the file of a setting of [tls].
void load_pem(std::string_view setting, const std::string& path, std::string_view wanted, auto load) {
  if (!std::ifstream(path))
    throw_error(ErrorKind::config, "[tls] {}: cannot read {}; wanted {}", setting, path, wanted);
  try {
    load();
  } catch (const boost::system::system_error& error) {
    throw_error(ErrorKind::config, "[tls] {}: wanted {}, found {}: {}", setting, wanted, path,
                error.code().message());
  }
}

asio::ssl::context tls_context(const TlsConfig& tls) {
  asio::ssl::context context(asio::ssl::context::tls_server);
  context.set_options(asio::ssl::context::default_workarounds | asio::ssl::context::no_sslv2 |
                      asio::ssl::context::no_sslv3 | asio::ssl::context::no_tlsv1 |
                      asio::ssl::context::no_tlsv1_1);
  SSL_CTX_set_mode(context.native_handle(), SSL_MODE_RELEASE_BUFFERS);
  load_pem("certificate", tls.certificate, "a certificate, and those that vouch for it, in PEM",
           [&] { context.use_certificate_chain_file(tls.certificate); });
  load_pem("key", tls.key, "the private key of that certificate in PEM, without a password",
           [&] { context.use_private_key_file(tls.key, asio::ssl::context::pem); });
  return context;
}

/// As many open files as the connections may need.
void raise_file_limit(int connections) {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  const auto wanted = static_cast<rlim_t>(connections) + 256;
  if (limit.rlim_cur >= wanted) return;
  limit.rlim_cur = std::min(wanted, limit.rlim_max);
  setrlimit(RLIMIT_NOFILE, &limit);
  if (limit.rlim_cur < wanted)
    log(LogLevel::warning, "gateway: {} connections want {} open files, the system allows {} (ulimit -n)",
        connections, wanted, limit.rlim_cur);
}

using Loops = std::vector<std::unique_ptr<Loop>>;

/// Listens on one address from its construction, and from `start` deals connections out to loops in turn.
class Acceptor {
 public:
  using Serve = std::function<void(Loop&, TcpSocket, std::shared_ptr<Admission::Ticket>)>;

  /// `setting` is what says the port.
  Acceptor(const Loops& loops, const Endpoint& endpoint, std::string_view setting)
      : loops_(loops), acceptor_(loops.front()->context()), again_(loops.front()->context()) {
    Failure failure;
    const asio::ip::address address = asio::ip::make_address(endpoint.address, failure);
    if (failure)
      throw_error(ErrorKind::config, "listen: wanted an IP address of this machine, found \"{}\"",
                  endpoint.address);
    try {
      const tcp::endpoint at(address, endpoint.port);
      acceptor_.open(at.protocol());
      acceptor_.set_option(asio::socket_base::reuse_address(true));  // over connections that are closing
      acceptor_.bind(at);
      acceptor_.listen(4096);
      port_ = acceptor_.local_endpoint().port();
    } catch (const boost::system::system_error& error) {
      throw_error(ErrorKind::config,
                  "{}: cannot listen on {} port {}: {}; take another port, or stop what uses it", setting,
                  endpoint.address, endpoint.port, error.code().message());
    }
  }

  void start(Admission& admission, Serve serve) {
    admission_ = &admission;
    serve_ = std::move(serve);
    asio::post(acceptor_.get_executor(), [this] { accept(); });
  }

  [[nodiscard]] std::uint16_t port() const noexcept { return port_; }
  void close() {
    asio::post(acceptor_.get_executor(), [this] {
      Failure ignored;
      acceptor_.close(ignored);
    });
  }

 private:
  void accept() {
    Loop& loop = *loops_[next_++ % loops_.size()];
    acceptor_.async_accept(loop.context(), [this, &loop](Failure failure, TcpSocket socket) {
      if (failure == asio::error::operation_aborted || !acceptor_.is_open()) return;
      if (failure) return accept_later();  // no more files, for example
      Failure gone;
      const auto peer = socket.remote_endpoint(gone);
      socket.set_option(tcp::no_delay(true), gone);
      if (!gone) {
        // Beyond the limit a connection is closed as soon as it came.
        if (auto ticket = admission_->admit(peer.address().to_string()))
          serve(loop, std::move(socket), std::move(ticket));
      }
      accept();
    });
  }
  void serve(Loop& loop, TcpSocket socket, std::shared_ptr<Admission::Ticket> ticket) noexcept {
    try {
      serve_(loop, std::move(socket), std::move(ticket));
    } catch (const std::exception& error) {  // no memory, for example; the others go on
      log(LogLevel::error, "gateway: a connection is closed: {}", error.what());
    }
  }
  void accept_later() {
    again_.expires_after(pause_after_failure);
    again_.async_wait([this](Failure failure) {
      if (!failure) accept();
    });
  }

  const Loops& loops_;
  std::size_t next_ = 0;
  asio::basic_socket_acceptor<tcp, Loop::Executor> acceptor_;
  Timer again_;
  Admission* admission_ = nullptr;
  Serve serve_;
  std::uint16_t port_ = 0;
};

}  // namespace

struct Server::Impl {
  explicit Impl(Config given)
      : config(std::move(given)),
        application(application_options(config)),
        files(config.web_root.value_or(shipped_pages())) {
    for (const auto& [name, topic] : config.topics) {
      application.topic(name, {.num_partitions = topic.partitions,
                               .replication_factor = topic.replication_factor,
                               .retention_ms = topic.retention.count()});
    }
    int copies = 1;
    for (const auto& [name, topic] : config.topics) copies = std::max(copies, topic.replication_factor);
    application.topic(config.id + "-sequences", {.replication_factor = copies, .compacted = true});
    if (!config.web_root && shipped_pages().empty())
      log(LogLevel::warning,
          "gateway: its pages were not built with it, so it serves none; in a clone `./dev web` builds them, "
          "and web_root of gateway.toml names others");
    if (config.tls) tls.emplace(tls_context(*config.tls));
    raise_file_limit(config.limits.connections);
    metrics_limits.connections = 64;
    metrics_limits.connections_per_address = 64;
    const int cores = static_cast<int>(std::thread::hardware_concurrency());
    const int count = config.threads > 0 ? config.threads : std::clamp(cores, 1, 4);
    for (int i = 0; i < count; ++i) loops.push_back(std::make_unique<Loop>());
    acceptor.emplace(loops, config.listen, "listen");
    if (config.metrics_port)
      metrics_acceptor.emplace(loops, Endpoint{config.listen.address, *config.metrics_port}, "metrics_port");
    // All that may be wrong is known: only now it takes its id, and connections.
    services.emplace(config, application);
    start();
  }

  void start() {
    acceptor->start(
        services->admission, [this](Loop& loop, TcpSocket socket, std::shared_ptr<Admission::Ticket> ticket) {
          serve_http(loop, std::move(socket), tls ? &*tls : nullptr, *services, files, std::move(ticket));
        });
    if (!metrics_acceptor) return;
    metrics_acceptor->start(metrics_admission,
                            [this](Loop& loop, TcpSocket socket, std::shared_ptr<Admission::Ticket> ticket) {
                              serve_metrics(loop, std::move(socket), *services, std::move(ticket));
                            });
  }

  ~Impl() {
    services->stopping = true;
    for (const auto& loop : loops) loop->end();
    // They call connections, which end with their loops.
    services->writer.end();
    services->feed.end();
    services->sockets.clear();
  }

  Config config;
  Application application;
  StaticFiles files;
  std::optional<asio::ssl::context> tls;
  Limits metrics_limits;
  Admission metrics_admission{metrics_limits};
  std::optional<Services> services;  // before the loops, whose end is that of the connections
  Loops loops;
  std::optional<Acceptor> acceptor;
  std::optional<Acceptor> metrics_acceptor;
};

Server::Server(Config config) : impl_(std::make_unique<Impl>(std::move(config))) {}
Server::~Server() = default;

void Server::drain() {
  Services& services = *impl_->services;
  const auto begin = std::chrono::steady_clock::now();
  services.stopping = true;
  impl_->acceptor->close();
  services.sockets.for_each([](Socket& socket) { socket.stop(); });
  services.writer.drain(begin + drain_time);
  services.sockets.for_each([](Socket& socket) {
    socket.post([&socket] { socket.close(close_code::going_away, "the gateway ends"); });
  });
  services.admission.wait_until_empty(std::chrono::steady_clock::now() + goodbye_time);
}

std::uint16_t Server::port() const noexcept {
  return impl_->acceptor->port();
}

std::uint16_t Server::metrics_port() const noexcept {
  return impl_->metrics_acceptor ? impl_->metrics_acceptor->port() : std::uint16_t{0};
}

}  // namespace tiderace::gateway
