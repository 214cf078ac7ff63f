#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "gateway/net/headers.h"

namespace {

/// As `is_loopback`, said another way.
bool names_loopback(std::string_view host) {
  for (const std::string_view name : {"127.0.0.1", "localhost", "[::1]"}) {
    if (host == name) return true;
    if (!host.starts_with(name) || host[name.size()] != ':') continue;
    if (host.substr(name.size() + 1).find_first_of(":]") == std::string_view::npos) return true;
  }
  return false;
}

}  // namespace

/// Authorization, Sec-WebSocket-Protocol, Origin and Host: what comes out stands in what went in, and is no
/// more than it says.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tiderace::gateway;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const Subprotocols found = parse_subprotocols(text);
  if (found.ours && text.find(subprotocol) == std::string_view::npos) std::abort();
  if (!found.token.empty()) {
    if (found.token.find(',') != std::string::npos || found.token.back() == ' ') std::abort();
    if (text.find("tiderace.token." + found.token) == std::string_view::npos) std::abort();
  }
  const Subprotocols offered = parse_subprotocols(std::string(text) + ", tiderace.v1 , tiderace.token.abc");
  if (!offered.ours || offered.token != "abc") std::abort();
  if (const std::string_view token = bearer_token(text); !token.empty()) {
    if (text != "Bearer " + std::string(token)) std::abort();
  }
  const std::string_view host = host_of(text);
  if (!text.ends_with(host)) std::abort();
  if (!host.empty() && text != "http://" + std::string(host) && text != "https://" + std::string(host))
    std::abort();
  const std::string_view origin = origin_of(text);  // it stands in a policy for pages, which spaces and ; end
  if (!text.starts_with(origin)) std::abort();
  if (const std::size_t scheme = origin.find("://"); scheme != std::string_view::npos) {
    if (origin.find_first_of("/?# ;,", scheme + 3) != std::string_view::npos) std::abort();
  } else if (!origin.empty()) {
    std::abort();
  }
  if (is_loopback(text) != names_loopback(text)) std::abort();
  return 0;
}
