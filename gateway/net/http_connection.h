#pragma once

#include <boost/asio/ssl/context.hpp>
#include <memory>

#include "gateway/net/admission.h"
#include "gateway/net/loop.h"
#include "gateway/net/static_files.h"
#include "gateway/services.h"

namespace tiderace::gateway {

/// Serves HTTP on a connection of `loop` that has been accepted, until it ends or becomes a WebSocket. `tls`
/// null: plain.
void serve_http(Loop& loop, TcpSocket socket, boost::asio::ssl::context* tls, Services& services,
                const StaticFiles& files, std::shared_ptr<Admission::Ticket> ticket);

/// Answers GET for /metrics, /healthz and /readyz.
void serve_metrics(Loop& loop, TcpSocket socket, Services& services,
                   std::shared_ptr<Admission::Ticket> ticket);

}  // namespace tiderace::gateway
