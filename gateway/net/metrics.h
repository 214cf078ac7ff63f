#pragma once

#include <string>

#include "gateway/services.h"

namespace tiderace::gateway {

/// In Prometheus' text format; docs/guide/gateway.md names them.
[[nodiscard]] std::string metrics_text(const Services& services);

}  // namespace tiderace::gateway
