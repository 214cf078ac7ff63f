#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tiderace::kafka {

/// What a client has to know of its own token.
struct Claims {
  std::optional<std::int64_t> expires_at_s;  ///< `exp`
  std::string subject;                       ///< `sub`
};

/// The claims of a JWT, as far as it is one: what cannot be read is left empty. Nothing is verified, which is
/// the broker's affair.
[[nodiscard]] Claims read_jwt(std::string_view token);

}  // namespace tiderace::kafka
