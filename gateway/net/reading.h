#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "gateway/in/write_request.h"
#include "gateway/net/socket.h"
#include "gateway/out/subscription.h"
#include "gateway/services.h"

namespace tiderace::gateway {

/// What a client reads, and as whom.
struct ReaderRequest {
  ReadRequest read;
  std::string session = {};   ///< the key of its position; empty: none
  bool from_session = false;  ///< begin where the session was
};

/// The request of `target` for topics, of the bearer of `grant`. `refusal` is set where it is none.
[[nodiscard]] ReaderRequest reader_request(const Config& config, const std::vector<std::string>& topics,
                                           const Target& target, const Grant& grant,
                                           std::optional<Refusal>& refusal);

/// A socket that topics are read by: docs/guide/gateway.md has what is said on it.
[[nodiscard]] std::unique_ptr<SocketUser> reading_user(Services& services, ReaderRequest request);

}  // namespace tiderace::gateway
