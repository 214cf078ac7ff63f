#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/config.h"

namespace tiderace::gateway {

/// Who may do what. Immutable; any thread.
class Tokens {
 public:
  /// Throws Error{config} for a key of [jwt] that is none.
  explicit Tokens(const Config& config);

  /// What the bearer of `token` may do at `now` (seconds since 1970); nullopt: the token is none, or not
  /// valid now. Without any token configured everybody may do everything, as "anonymous".
  [[nodiscard]] std::optional<Grant> grant(std::string_view token, std::int64_t now) const;

 private:
  [[nodiscard]] std::optional<Grant> signed_grant(const std::string& token, std::int64_t now) const;

  std::vector<StaticToken> tokens_;
  std::optional<JwtConfig> jwt_;
};

/// Whether `grant` allows every topic, and every key of them. No keys at all is allowed where all are.
[[nodiscard]] bool may_write(const Grant& grant, std::string_view topic);
[[nodiscard]] bool may_read(const Grant& grant, std::string_view topic);
[[nodiscard]] bool may_use_key(const Grant& grant, std::optional<std::string_view> key);

}  // namespace tiderace::gateway
