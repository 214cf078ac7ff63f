#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace tiderace {

/// What is answered to a GET or HEAD.
struct HttpResponse {
  int status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body;
};

struct HttpServerOptions {
  std::string address = "127.0.0.1";  ///< an IPv4 or IPv6 address of this machine, `0.0.0.0` or `::` for all
  std::uint16_t port = 0;             ///< 0: one that is free
};

/// Answers GET and HEAD on one thread of its own, from construction to destruction; other methods get 405.
/// Nothing that a client does or leaves undone can hold it up or end it: a request has seconds and kilobytes,
/// there are so many connections and no more, and what a handler throws becomes a 500.
class HttpServer {
 public:
  /// Calls with the path of a request (from its slash to the question mark), on the server's thread; must not
  /// wait.
  using Handler = std::function<HttpResponse(const std::string& path)>;

  /// Listens once it returns. Throws Error{config} for an address that is none, not this machine's, or in
  /// use.
  HttpServer(const HttpServerOptions& options, Handler handler);
  /// Closes all connections, at once.
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  [[nodiscard]] std::uint16_t port() const noexcept;

 private:
  class Listener;
  std::unique_ptr<Listener> listener_;
};

}  // namespace tiderace
