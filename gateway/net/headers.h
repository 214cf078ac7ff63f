#pragma once

#include <string>
#include <string_view>

namespace tiderace::gateway {

constexpr std::string_view subprotocol = "tiderace.v1";

/// What a client offers in `Sec-WebSocket-Protocol`: ours, and a token where a browser can put none
/// elsewhere.
struct Subprotocols {
  bool ours = false;
  std::string token;  ///< of `tiderace.token.TOKEN`; empty: none
};
[[nodiscard]] Subprotocols parse_subprotocols(std::string_view header);

/// The token of `Authorization: Bearer TOKEN`; empty: none.
[[nodiscard]] std::string_view bearer_token(std::string_view authorization) noexcept;

/// `https://tiles.example.org` of a URL; empty: it has none.
[[nodiscard]] std::string_view origin_of(std::string_view url) noexcept;

/// `example.org:8080` of an origin; what is none is empty.
[[nodiscard]] std::string_view host_of(std::string_view origin) noexcept;

/// Whether `host`, as a request names it, is this machine for itself.
[[nodiscard]] bool is_loopback(std::string_view host) noexcept;

}  // namespace tiderace::gateway
