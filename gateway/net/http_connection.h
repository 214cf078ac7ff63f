#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <memory>

#include "gateway/net/admission.h"
#include "gateway/net/static_files.h"
#include "gateway/services.h"

namespace tiderace::gateway {

/// Serves HTTP on a connection that has been accepted, until it ends or becomes a WebSocket. `tls` null:
/// plain.
void serve_http(boost::asio::ip::tcp::socket socket, boost::asio::ssl::context* tls, Services& services,
                const StaticFiles& files, std::shared_ptr<Admission::Ticket> ticket);

/// Answers GET for /metrics, /healthz and /readyz.
void serve_metrics(boost::asio::ip::tcp::socket socket, Services& services,
                   std::shared_ptr<Admission::Ticket> ticket);

}  // namespace tiderace::gateway
