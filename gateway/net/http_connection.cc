#include "gateway/net/http_connection.h"

#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <boost/asio/post.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/websocket/rfc6455.hpp>
#include <chrono>
#include <ctime>
#include <optional>
#include <utility>

#include "base/logging.h"
#include "gateway/net/headers.h"
#include "gateway/net/metrics.h"
#include "gateway/net/reading.h"
#include "gateway/net/websocket.h"
#include "gateway/net/writing.h"
#include "gateway/parameters.h"

namespace tiderace::gateway {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using Failure = boost::system::error_code;
using Response = http::response<http::string_body>;

constexpr std::uint32_t most_header_bytes = 64 << 10;
constexpr std::size_t small_buffer = 4096;          // what a connection keeps between requests
constexpr std::size_t most_thrown_away = 64 << 20;  // of a body that is refused
constexpr std::chrono::seconds throw_away_time{10};
constexpr std::chrono::seconds between_looks{1};  // at who waits for the log
constexpr std::string_view header_too_large =
    "the request line and headers come to more than 64 KiB; where from= is long, store the position in a "
    "session (session=, from=session), and where key= is, read in several sockets";
constexpr std::string_view topics_path = "/v1/topics/";

std::string_view view(beast::string_view text) noexcept {
  return {text.data(), text.size()};
}

std::string token_of(const HttpRequest& request, const Target& target) {
  const std::string_view authorization = view(request[http::field::authorization]);
  if (authorization.starts_with("Bearer ")) return std::string(bearer_token(authorization));
  if (const std::string* token = target.find("token")) return *token;
  return parse_subprotocols(view(request[http::field::sec_websocket_protocol])).token;
}

bool is_status(unsigned status, unsigned hundred) noexcept {
  return status / 100 == hundred;
}

/// One connection. Keeps itself until it is over.
template <class Stream>
class HttpConnection : public std::enable_shared_from_this<HttpConnection<Stream>> {
 public:
  HttpConnection(Loop& loop, Stream stream, Services& services, const StaticFiles* files,
                 std::shared_ptr<Admission::Ticket> ticket)
      : loop_(loop),
        rate_(services.config.limits.messages_per_second),
        stream_(std::move(stream)),
        services_(services),
        files_(files),
        ticket_(std::move(ticket)) {}

  void start() {
    asio::post(stream_.get_executor(), [self = self()] { self->begin(); });
  }

 private:
  void begin() {
    if constexpr (std::is_same_v<Stream, TlsStream>) {
      lowest().expires_after(services_.config.limits.handshake_timeout);
      stream_.async_handshake(asio::ssl::stream_base::server, [self = self()](Failure failure) {
        if (!failure) self->read();
      });
    } else {
      read();
    }
  }

  auto self() { return this->shared_from_this(); }
  auto& lowest() { return beast::get_lowest_layer(stream_); }

  void read() {
    parser_.emplace();
    if (buffer_.size() == 0 && buffer_.capacity() > small_buffer) buffer_ = beast::flat_buffer();
    parser_->header_limit(most_header_bytes);
    parser_->body_limit(services_.config.limits.message_bytes);
    lowest().expires_after(served_ ? services_.config.limits.idle_timeout
                                   : services_.config.limits.handshake_timeout);
    http::async_read_header(stream_, buffer_, *parser_, [self = self()](Failure failure, std::size_t) {
      if (failure == http::error::end_of_stream) return self->finish();
      if (failure == http::error::header_limit) return self->refuse({431, std::string(header_too_large)});
      if (failure == http::error::body_limit) return self->refuse({413, self->too_large()});
      if (failure && failure.category() == http::make_error_code(http::error::bad_target).category())
        return self->refuse({400, "wanted HTTP"});
      if (!failure) self->guarded([&] { self->route(); });
    });
  }

  template <class Act>
  void guarded(const Act& act) {
    try {
      act();
    } catch (const std::exception& error) {
      log(LogLevel::error, "gateway: a request failed: {}", error.what());
      refuse({500, "failed"});
    }
  }

  [[nodiscard]] const HttpRequest& request() const { return parser_->get(); }

  /// What comes in chunks does not say before how large it is.
  [[nodiscard]] std::string too_large() const {
    const std::string_view length = view(request()[http::field::content_length]);
    return fmt::format(
        "the message{} is too large: wanted at most {} bytes (limits.message_bytes in gateway.toml); send it "
        "in "
        "several",
        length.empty() ? "" : fmt::format(" of {} bytes", length), services_.config.limits.message_bytes);
  }

  void route() {
    served_ = true;
    const auto target = parse_target(view(request().target()));
    if (!target) return refuse({400, "the target is no path and query in UTF-8"});
    if (files_ == nullptr) return answer_metrics(target->path);
    const bool options = request().method() == http::verb::options;
    // A name that is made to point here would make any page of the Web one of this host.
    if (!services_.config.has_tokens() && !is_loopback(view(request()[http::field::host])))
      return refuse({421, "without tokens the host is 127.0.0.1, [::1] or localhost"});
    const std::string_view path = target->path;
    if ((options || path.starts_with("/v1/")) && !origin_allowed())
      return refuse({403, "the origin is not allowed"});
    if (options) return answer_options();
    if (path.starts_with(topics_path)) return serve_topics(*target, path.substr(topics_path.size()));
    answer_page(path);
  }

  /// Browsers say which page asks; other programs may say anything, and so say nothing.
  [[nodiscard]] bool origin_allowed() const {
    const std::string_view origin = view(request()[http::field::origin]);
    if (origin.empty()) return true;
    if (matches_any(services_.config.allowed_origins, origin)) return true;
    // A proxy in front may end TLS, so that pages of this host are https where this is not.
    const std::string_view host = view(request()[http::field::host]);
    return !host.empty() && host_of(origin) == host;
  }

  void serve_topics(const Target& target, std::string_view names) {
    const auto now = static_cast<std::int64_t>(std::time(nullptr));
    const auto grant = services_.tokens.grant(token_of(request(), target), now);
    if (!grant)
      return refuse({401, "wanted a valid token, as Authorization: Bearer, token= or a subprotocol"});
    if (services_.stopping) return refuse({503, "the gateway ends; try again"});
    std::optional<Refusal> refusal;
    const bool upgrade = beast::websocket::is_upgrade(request());
    const bool posts = request().method() == http::verb::post;
    const bool reads = !posts && target.find("from") != nullptr;
    if (auto fault = query_fault(target, posts ? Use::post : reads ? Use::read : Use::write))
      return refuse({400, std::move(*fault)});
    if (reads) {
      ReaderRequest wanted = reader_request(services_.config, split(names), target, *grant, refusal);
      if (refusal) return refuse(*refusal);
      if (!upgrade) return refuse({426, "wanted a WebSocket handshake"});
      std::string session = wanted.session;
      return become_socket(reading_user(services_, std::move(wanted)), *grant, false, std::move(session));
    }
    WriteRequest wanted = write_request(services_.config, std::string(names), target, *grant, refusal);
    if (refusal) return refuse(*refusal);
    if (upgrade) {
      std::string session = wanted.session;
      return become_socket(writing_user(services_, std::move(wanted)), *grant, true, std::move(session));
    }
    if (!posts) return refuse({405, "wanted POST, or a WebSocket handshake"});
    if (!wanted.session.empty() && wanted.sequence == 0) return refuse({400, "session wants sequence="});
    const auto wait = rate_.take(std::chrono::steady_clock::now());
    if (wait.count() <= 0) return read_body(std::move(wanted));
    lowest().expires_never();
    pause_.emplace(stream_.get_executor());
    pause_->expires_after(wait);
    pause_->async_wait([self = self(), wanted = std::move(wanted)](Failure failure) {
      if (!failure) self->read_body(wanted);
    });
  }

  void become_socket(std::unique_ptr<SocketUser> user, const Grant& grant, bool writes, std::string session) {
    Upgrade upgrade;
    upgrade.user = std::move(user);
    if (parse_subprotocols(view(request()[http::field::sec_websocket_protocol])).ours)
      upgrade.subprotocol = subprotocol;
    upgrade.expires = grant.expires;
    upgrade.ticket = std::move(ticket_);
    upgrade.opened = [&services = services_, writes,
                      session = std::move(session)](const std::shared_ptr<Socket>& socket) {
      services.sockets.add(socket, writes, session);
    };
    upgrade.ended = [&services = services_](const std::shared_ptr<Socket>& socket) {
      services.sockets.remove(socket);
    };
    lowest().expires_never();  // the WebSocket has time-outs of its own
    HttpRequest handshake = parser_->release();
    serve_websocket(loop_, std::move(stream_), std::move(handshake), std::move(upgrade),
                    services_.config.limits);
  }

  void read_body(WriteRequest wanted) {
    lowest().expires_after(services_.config.limits.body_timeout);
    http::async_read(stream_, buffer_, *parser_,
                     [self = self(), wanted = std::move(wanted)](Failure failure, std::size_t) {
                       if (failure == http::error::body_limit) return self->refuse({413, self->too_large()});
                       if (!failure) self->guarded([&] { self->store(wanted); });
                     });
  }

  void store(const WriteRequest& wanted) {
    Message message = wanted.message_of(request().body());
    message.sequence = wanted.sequence;
    // Without a session nothing is numbered, so nothing is used up.
    if (wanted.session.empty() && !message.refusal.empty()) return refuse({400, message.refusal});
    message.done = [self = self(), number = wanted.sequence](Outcome outcome) {
      asio::post(self->stream_.get_executor(), [self, number, outcome = std::move(outcome)] {
        const unsigned status = outcome.kind == Outcome::Kind::missing   ? 409
                                : outcome.kind == Outcome::Kind::refused ? 400
                                : outcome.kind == Outcome::Kind::no_room ? 503
                                : outcome.kind == Outcome::Kind::ended   ? 503
                                                                         : 200;
        self->waits_ = false;
        self->pause_.reset();
        if (self->lowest().socket().is_open())
          self->respond(status, "application/json", answer_of(number, outcome));
      });
    };
    lowest().expires_never();  // the log has it when it has it
    if (services_.writer.offer(message) != Writer::Offer::taken)
      return refuse({503, "too much waits for the log; try again"});
    waits_ = true;
    look_after_client();
  }

  /// While it waits for the log nothing is read, so that its end has to be looked for. The message stays.
  void look_after_client() {
    pause_.emplace(stream_.get_executor());
    pause_->expires_after(between_looks);
    pause_->async_wait([weak = this->weak_from_this()](Failure failure) {
      const auto self = weak.lock();
      if (failure || self == nullptr || !self->waits_) return;
      if (!self->client_has_gone()) return self->look_after_client();
      self->lowest().close();
      self->ticket_.reset();
    });
  }

  /// Whatever it has sent before.
  [[nodiscard]] bool client_has_gone() {
    tcp_info info{};
    socklen_t size = sizeof info;
    return ::getsockopt(lowest().socket().native_handle(), IPPROTO_TCP, TCP_INFO, &info, &size) == 0 &&
           info.tcpi_state != TCP_ESTABLISHED;
  }

  void answer_options() {
    respond(204, "", "", [](Response& response) {
      response.set(http::field::access_control_allow_methods, "GET, POST");
      response.set(http::field::access_control_allow_headers, "authorization, content-type");
      response.set(http::field::access_control_max_age, "600");
    });
  }

  [[nodiscard]] bool asks_only() const {
    return request().method() == http::verb::get || request().method() == http::verb::head;
  }

  void answer_page(std::string_view path) {
    if (!asks_only()) return refuse({405, "wanted GET, HEAD or POST"});
    if (path == "/v1/config") return respond(200, "application/json", pages_config());
    const StaticFile* file = files_->find(path);
    if (file == nullptr) return refuse({404, nothing_at(path)});
    const bool known = view(request()[http::field::if_none_match]) == file->etag;
    respond(known ? 304 : 200, file->content_type, known ? "" : file->body, [&](Response& response) {
      response.set(http::field::etag, file->etag);
      response.set(http::field::cache_control, "no-cache");
      response.set("Content-Security-Policy", page_policy());
    });
  }

  [[nodiscard]] std::string nothing_at(std::string_view path) const {
    if (path.starts_with("/v1/")) return "there is nothing here; there are /v1/topics/TOPIC and /v1/config";
    if (!files_->empty()) return "there is nothing here";
    if (services_.config.web_root)
      return "this gateway has no pages: web_root in gateway.toml names a folder without any, or \"\"";
    return "this gateway has no pages, as they were not built with it: in a clone `./dev web` builds them, "
           "else web_root in gateway.toml names a folder of them; then start the gateway again";
  }

  /// Pages load what comes from here, and tiles from where the file says.
  [[nodiscard]] std::string page_policy() const {
    const auto tiles = services_.config.pages.find("tile_url");
    const std::string from =
        tiles == services_.config.pages.end() ? "" : fmt::format(" {}", origin_of(tiles->second));
    return fmt::format(
        "default-src 'self'; img-src 'self' data: blob:{0}; worker-src 'self'; connect-src 'self'{0}; "
        "style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        from);
  }

  [[nodiscard]] std::string pages_config() const {
    const auto& pages = services_.config.pages;
    const auto text = [&](const char* name) {
      const auto found = pages.find(name);
      return found == pages.end() ? std::string("null") : json_string(found->second);
    };
    return fmt::format(R"({{"version":"{}","topics":{{"in":{},"out":{}}},"tile_url":{},"model":null}})",
                       TIDERACE_VERSION, text("in"), text("out"), text("tile_url"));
  }

  void answer_metrics(const std::string& path) {
    if (!asks_only()) return refuse({405, "wanted GET or HEAD"});
    const bool ready = services_.writer.healthy() && !services_.stopping;
    if (path == "/metrics") return respond(200, "text/plain; version=0.0.4", metrics_text(services_));
    if (path == "/healthz") return respond(200, "text/plain", "ok\n");
    if (path == "/readyz")
      return respond(ready ? 200 : 503, "text/plain",
                     ready ? "ready\n" : "the log takes nothing, or it ends\n");
    refuse({404, "there are /metrics, /healthz and /readyz"});
  }

  void refuse(const Refusal& refusal) {
    if (refusal.status == 401 || refusal.status == 403)
      ++services_.requests.unauthorized;
    else if (is_status(refusal.status, 4))
      ++services_.requests.wrong;
    keep_ = false;
    respond(refusal.status, "application/json", fmt::format(R"({{"error":{}}})", json_string(refusal.error)),
            [&](Response& response) {
              if (refusal.status == 401) response.set(http::field::www_authenticate, "Bearer");
              if (refusal.status == 503) response.set(http::field::retry_after, "1");
              if (refusal.status == 426) response.set(http::field::upgrade, "websocket");
            });
  }

  void respond(unsigned status, std::string_view content_type, std::string body) {
    respond(status, content_type, std::move(body), [](Response&) {});
  }
  template <class Adorn>
  void respond(unsigned status, std::string_view content_type, std::string body, const Adorn& adorn) {
    auto response = std::make_shared<Response>();
    response->result(status);
    response->set(http::field::server, "tiderace");
    response->set("X-Content-Type-Options", "nosniff");
    if (!content_type.empty())
      response->set(http::field::content_type, beast::string_view(content_type.data(), content_type.size()));
    const std::string_view origin = view(request()[http::field::origin]);
    if (files_ != nullptr && !origin.empty() && origin_allowed()) {
      response->set(http::field::access_control_allow_origin,
                    beast::string_view(origin.data(), origin.size()));
      response->set(http::field::vary, "Origin");
    }
    adorn(*response);
    // A body that was not read would be taken for the next request.
    throws_away_ = !parser_->is_done();
    keep_ = keep_ && !throws_away_ && request().keep_alive() && !services_.stopping;
    response->keep_alive(keep_);
    response->body() = std::move(body);
    response->prepare_payload();
    if (request().method() == http::verb::head) response->body().clear();  // its length is said
    lowest().expires_after(services_.config.limits.body_timeout);
    http::async_write(stream_, *response, [self = self(), response](Failure failure, std::size_t) {
      if (failure) return;
      if (!self->keep_) return self->finish();
      self->read();
    });
  }

  void finish() {
    if constexpr (std::is_same_v<Stream, TlsStream>) {
      lowest().expires_after(services_.config.limits.handshake_timeout);
      // It says goodbye and waits for that of the other side; what still comes of a body ends the wait.
      stream_.async_shutdown([self = self()](Failure) { self->end(); });
    } else {
      end();
    }
  }

  void end() {
    Failure ignored;
    lowest().socket().shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
    if (!throws_away_) return;
    lowest().expires_after(throw_away_time);
    throw_away(0);
  }

  /// What still comes of a body that is refused: while it is not read, its sender may not hear the answer.
  void throw_away(std::size_t thrown) {
    if (thrown > most_thrown_away) return;
    buffer_.clear();
    lowest().async_read_some(buffer_.prepare(16 << 10),
                             [self = self(), thrown](Failure failure, std::size_t count) {
                               if (!failure) self->throw_away(thrown + count);
                             });
  }

  Loop& loop_;
  Rate rate_;  ///< of messages that are posted
  Stream stream_;
  Services& services_;
  const StaticFiles* files_;  ///< null: metrics are served
  std::shared_ptr<Admission::Ticket> ticket_;
  beast::flat_buffer buffer_;
  std::optional<http::request_parser<http::string_body>> parser_;
  std::optional<Timer> pause_;
  bool waits_ = false;   ///< for the log
  bool served_ = false;  ///< a request before this one
  bool keep_ = true;
  bool throws_away_ = false;  ///< what still comes, before the end
};

}  // namespace

void serve_http(Loop& loop, TcpSocket socket, asio::ssl::context* tls, Services& services,
                const StaticFiles& files, std::shared_ptr<Admission::Ticket> ticket) {
  PlainStream plain(std::move(socket));
  if (tls == nullptr) {
    std::make_shared<HttpConnection<PlainStream>>(loop, std::move(plain), services, &files, std::move(ticket))
        ->start();
  } else {
    std::make_shared<HttpConnection<TlsStream>>(loop, TlsStream(std::move(plain), *tls), services, &files,
                                                std::move(ticket))
        ->start();
  }
}

void serve_metrics(Loop& loop, TcpSocket socket, Services& services,
                   std::shared_ptr<Admission::Ticket> ticket) {
  std::make_shared<HttpConnection<PlainStream>>(loop, PlainStream(std::move(socket)), services, nullptr,
                                                std::move(ticket))
      ->start();
}

}  // namespace tiderace::gateway
