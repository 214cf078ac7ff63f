#include "gateway/tokens.h"

#include <jansson.h>
#include <jwt.h>

#include <algorithm>
#include <cstdlib>
#include <memory>

#include "base/error.h"
#include "gateway/target.h"

namespace tiderace::gateway {
namespace {

constexpr std::size_t most_token_bytes = 8 << 10;
constexpr std::int64_t clock_leeway_s = 5;

struct FreeJwt {
  void operator()(jwt_t* jwt) const noexcept { jwt_free(jwt); }
};
struct FreeJson {
  void operator()(json_t* json) const noexcept { json_decref(json); }
};
struct FreeText {
  void operator()(char* text) const noexcept { std::free(text); }
};
using Json = std::unique_ptr<json_t, FreeJson>;

/// Takes as long for one that differs at once as for one that differs at its end.
bool equal_in_constant_time(std::string_view a, std::string_view b) noexcept {
  unsigned char difference = a.size() == b.size() ? 0 : 1;
  for (std::size_t i = 0; i < a.size(); ++i)
    difference = static_cast<unsigned char>(difference | (a[i] ^ b[b.empty() ? 0 : i % b.size()]));
  return difference == 0;
}

/// The whole of the claims.
Json claims_of(jwt_t* jwt) {
  const std::unique_ptr<char, FreeText> text(jwt_get_grants_json(jwt, nullptr));
  return Json(text ? json_loads(text.get(), 0, nullptr) : nullptr);
}

std::optional<std::vector<std::string>> texts(const json_t* claims, const char* name) {
  const json_t* array = json_object_get(claims, name);
  if (array == nullptr) return std::nullopt;
  std::vector<std::string> texts;
  for (std::size_t i = 0; i < json_array_size(array); ++i) {
    const json_t* each = json_array_get(array, i);
    if (json_is_string(each)) texts.emplace_back(json_string_value(each), json_string_length(each));
  }
  return texts;
}

/// The members of an object that are strings.
std::map<std::string, std::string> text_members(const json_t* claims, const char* name) {
  std::map<std::string, std::string> members;
  const char* key = nullptr;
  json_t* value = nullptr;
  json_object_foreach(json_object_get(claims, name), key, value) {
    if (json_is_string(value)) members[key] = {json_string_value(value), json_string_length(value)};
  }
  return members;
}

/// Seconds since 1970. A time beyond the year 5000 is that year: what comes later cannot be counted in
/// nanoseconds.
std::int64_t seconds_of(const json_t* claim) {
  constexpr double latest = 95'617'584'000;
  return static_cast<std::int64_t>(std::min(json_number_value(claim), latest));
}

bool is_valid_at(const json_t* claims, std::int64_t now) {
  const json_t* expires = json_object_get(claims, "exp");
  const json_t* begins = json_object_get(claims, "nbf");
  // A token that never ends cannot be taken back, so it is none.
  if (!json_is_number(expires)) return false;
  if (json_number_value(expires) <= static_cast<double>(now - clock_leeway_s)) return false;
  if (begins == nullptr) return true;
  return json_is_number(begins) && json_number_value(begins) <= static_cast<double>(now + clock_leeway_s);
}

bool has_text(const json_t* claim, const std::string& wanted) {
  return json_is_string(claim) && wanted == json_string_value(claim);
}

/// `aud` is one string, or an array of them.
bool is_for(const json_t* claims, const std::string& audience) {
  const json_t* claim = json_object_get(claims, "aud");
  if (has_text(claim, audience)) return true;
  for (std::size_t i = 0; i < json_array_size(claim); ++i) {
    if (has_text(json_array_get(claim, i), audience)) return true;
  }
  return false;
}

}  // namespace

Tokens::Tokens(const Config& config) : tokens_(config.tokens), jwt_(config.jwt) {
  if (!jwt_ || jwt_->algorithm == "HS256") return;
  if (jwt_->key.find("-----BEGIN PUBLIC KEY-----") == std::string::npos)
    throw_error(ErrorKind::config,
                "[jwt] {} wants key_file with a public key in PEM (-----BEGIN PUBLIC KEY-----)",
                jwt_->algorithm);
}

std::optional<Grant> Tokens::grant(std::string_view token, std::int64_t now) const {
  if (tokens_.empty() && !jwt_) return Grant{"anonymous", {"*"}, {"*"}};
  if (token.empty() || token.size() > most_token_bytes) return std::nullopt;
  const StaticToken* found = nullptr;
  for (const StaticToken& known : tokens_) {
    if (equal_in_constant_time(known.token, token)) found = &known;
  }
  if (found != nullptr) return found->grant;
  return jwt_ ? signed_grant(std::string(token), now) : std::nullopt;
}

std::optional<Grant> Tokens::signed_grant(const std::string& token, std::int64_t now) const {
  if (token.find('\0') != std::string::npos) return std::nullopt;
  jwt_t* decoded = nullptr;
  const auto* key = reinterpret_cast<const unsigned char*>(jwt_->key.data());
  if (jwt_decode(&decoded, token.c_str(), key, static_cast<int>(jwt_->key.size())) != 0) return std::nullopt;
  const std::unique_ptr<jwt_t, FreeJwt> jwt(decoded);
  // The token must not choose: with a public key as the secret of HS256 anybody could sign.
  if (jwt_get_alg(jwt.get()) != jwt_str_alg(jwt_->algorithm.c_str())) return std::nullopt;
  const Json claims = claims_of(jwt.get());
  if (!json_is_object(claims.get()) || !is_valid_at(claims.get(), now)) return std::nullopt;
  if (!jwt_->issuer.empty() && !has_text(json_object_get(claims.get(), "iss"), jwt_->issuer))
    return std::nullopt;
  if (!jwt_->audience.empty() && !is_for(claims.get(), jwt_->audience)) return std::nullopt;
  const json_t* subject = json_object_get(claims.get(), "sub");
  if (!json_is_string(subject) || json_string_length(subject) == 0) return std::nullopt;
  const auto list = [&](const char* name) { return texts(claims.get(), name); };
  return Grant{.subject = json_string_value(subject),
               .write = list("write").value_or(std::vector<std::string>()),
               .read = list("read").value_or(std::vector<std::string>()),
               .keys = list("keys"),
               .headers = text_members(claims.get(), "headers"),
               .expires = seconds_of(json_object_get(claims.get(), "exp")) + clock_leeway_s};
}

bool may_write(const Grant& grant, std::string_view topic) {
  return matches_any(grant.write, topic);
}

bool may_read(const Grant& grant, std::string_view topic) {
  return matches_any(grant.read, topic);
}

bool may_use_key(const Grant& grant, std::optional<std::string_view> key) {
  if (!grant.keys) return true;
  return key && matches_any(*grant.keys, *key);
}

}  // namespace tiderace::gateway
