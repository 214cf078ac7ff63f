#pragma once

#include <memory>

#include "gateway/in/write_request.h"
#include "gateway/net/socket.h"
#include "gateway/services.h"

namespace tiderace::gateway {

/// A socket whose messages go into a topic: docs/guide/gateway.md has what is said on it.
[[nodiscard]] std::unique_ptr<SocketUser> writing_user(Services& services, WriteRequest request);

}  // namespace tiderace::gateway
