#pragma once

#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/ssl.hpp>
#include <functional>
#include <memory>
#include <string>

#include "gateway/config.h"
#include "gateway/net/admission.h"
#include "gateway/net/loop.h"
#include "gateway/net/socket.h"

namespace tiderace::gateway {

using PlainStream = boost::beast::basic_stream<boost::asio::ip::tcp, Loop::Executor>;
using TlsStream = boost::beast::ssl_stream<PlainStream>;
using HttpRequest = boost::beast::http::request<boost::beast::http::string_body>;

/// What an accepted handshake becomes.
struct Upgrade {
  std::unique_ptr<SocketUser> user;
  std::string subprotocol = {};                    ///< empty: none
  std::optional<std::int64_t> expires = {};        ///< seconds since 1970: when its token is none any more
  std::shared_ptr<Admission::Ticket> ticket = {};  ///< held for as long as the socket lives
  std::function<void(const std::shared_ptr<Socket>&)> opened = {};
  std::function<void(const std::shared_ptr<Socket>&)> ended = {};  ///< not where the gateway ends first
};

/// Answers the handshake `request` on `stream`, which is of `loop`, and serves the socket, which keeps itself
/// until it is over.
template <class Stream>
void serve_websocket(Loop& loop, Stream stream, HttpRequest request, Upgrade upgrade, const Limits& limits);
extern template void serve_websocket(Loop&, PlainStream, HttpRequest, Upgrade, const Limits&);
extern template void serve_websocket(Loop&, TlsStream, HttpRequest, Upgrade, const Limits&);

}  // namespace tiderace::gateway
