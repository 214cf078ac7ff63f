#pragma once

#include <memory>
#include <vector>

#include "http/http_server.h"
#include "runtime/stage.h"

namespace tiderace {

/// A run as seen over HTTP, while the object lives: `/metrics` for Prometheus, `/healthz` and `/readyz` for
/// probes (200 or 503, with a reason). It only reads what workers have published, on a thread of its own.
class Monitor {
 public:
  /// On the port and address of `context.options`. `context` and `stages` must outlive it. Throws
  /// Error{config} where the port cannot be had.
  Monitor(const RuntimeContext& context, const std::vector<std::unique_ptr<Stage>>& stages);

 private:
  HttpServer server_;
};

}  // namespace tiderace
