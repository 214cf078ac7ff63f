#include "runtime/observation/monitor.h"

#include "base/error.h"
#include "base/logging.h"
#include "runtime/observation/health.h"
#include "runtime/observation/prometheus.h"

namespace tiderace {
namespace {

HttpResponse response_of(const Health& health) {
  HttpResponse response;
  response.status = health.good ? 200 : 503;
  response.body = health.reason + "\n";
  return response;
}

HttpResponse answer(const RuntimeContext& context, const std::vector<std::unique_ptr<Stage>>& stages,
                    const std::string& path) {
  if (path == "/metrics")
    return {200, "text/plain; version=0.0.4; charset=utf-8", prometheus_text(context, stages)};
  if (path == "/healthz")
    return response_of(alive(*context.metrics, context.clock->steady_ns(), context.options.health_timeout));
  if (path == "/readyz") return response_of(ready(*context.metrics));
  HttpResponse unknown;
  unknown.status = 404;
  unknown.body = "there are /metrics, /healthz and /readyz\n";
  return unknown;
}

HttpServerOptions server_options(const ApplicationOptions& options) {
  return {options.metrics_address, static_cast<std::uint16_t>(options.metrics_port)};
}

}  // namespace

Monitor::Monitor(const RuntimeContext& context, const std::vector<std::unique_ptr<Stage>>& stages) try
    : server_(server_options(context.options),
              [&context, &stages](const std::string& path) { return answer(context, stages, path); }) {
  const bool v6 = context.options.metrics_address.find(':') != std::string::npos;
  log(LogLevel::info, "{}: metrics at http://{}{}{}:{}/metrics", context.options.consumer_group,
      v6 ? "[" : "", context.options.metrics_address, v6 ? "]" : "", server_.port());
} catch (const Error& error) {
  throw_error(ErrorKind::config, "metrics_port, metrics_address: {}", error.what());
}

}  // namespace tiderace
