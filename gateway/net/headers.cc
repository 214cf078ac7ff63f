#include "gateway/net/headers.h"

#include "gateway/target.h"

namespace tiderace::gateway {

Subprotocols parse_subprotocols(std::string_view header) {
  constexpr std::string_view token_protocol = "tiderace.token.";
  Subprotocols found;
  for (std::string name : split(header)) {
    name.erase(0, name.find_first_not_of(' '));
    name.erase(name.find_last_not_of(' ') + 1);
    if (name == subprotocol) found.ours = true;
    if (name.starts_with(token_protocol)) found.token = name.substr(token_protocol.size());
  }
  return found;
}

std::string_view bearer_token(std::string_view authorization) noexcept {
  constexpr std::string_view bearer = "Bearer ";
  return authorization.starts_with(bearer) ? authorization.substr(bearer.size()) : std::string_view();
}

std::string_view origin_of(std::string_view url) noexcept {
  const std::size_t scheme = url.find("://");
  if (scheme == std::string_view::npos) return {};
  return url.substr(0, url.find_first_of("/?# ;,", scheme + 3));
}

std::string_view host_of(std::string_view origin) noexcept {
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (origin.starts_with(scheme)) return origin.substr(scheme.size());
  }
  return {};
}

bool is_loopback(std::string_view host) noexcept {
  const std::size_t colon = host.rfind(':');
  const bool has_port = colon != std::string_view::npos && host.find(']', colon) == std::string_view::npos;
  if (has_port) host = host.substr(0, colon);
  return host == "127.0.0.1" || host == "localhost" || host == "[::1]";
}

}  // namespace tiderace::gateway
