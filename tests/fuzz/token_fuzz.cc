#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <array>
#include <cctype>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "gateway/tokens.h"

namespace {

using namespace tiderace::gateway;

constexpr std::int64_t now = 1'700'000'000;
const std::string secret = "thirty-two bytes are wanted here, at least";
const std::string static_token = "0123456789abcdef";
const std::string public_key =
    "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEEVs/o5+uQbTjL3chynL4wXgUg2R9\n"
    "q9UU8I5mEovUf86QZ7kOBIjJwqnzD1omageEHWwHdBO6B+dFabmdT9POxg==\n-----END PUBLIC KEY-----\n";

std::string base64url(std::string_view bytes) {
  std::string text(4 * (bytes.size() / 3 + 1) + 1, '\0');
  const int size =
      EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()),
                      reinterpret_cast<const unsigned char*>(bytes.data()), static_cast<int>(bytes.size()));
  text.resize(static_cast<std::size_t>(size));
  while (text.ends_with('=')) text.pop_back();
  for (char& c : text) c = c == '+' ? '-' : c == '/' ? '_' : c;
  return text;
}

std::string signed_with(const std::string& key, std::string_view header, std::string_view claims) {
  const std::string text = base64url(header) + "." + base64url(claims);
  std::array<unsigned char, EVP_MAX_MD_SIZE> sum{};
  unsigned size = 0;
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
       reinterpret_cast<const unsigned char*>(text.data()), text.size(), sum.data(), &size);
  return text + "." + base64url({reinterpret_cast<const char*>(sum.data()), size});
}

Config config_of(const std::string& algorithm, const std::string& key) {
  Config config;
  config.tokens.push_back({static_token, {.subject = "phones"}});
  config.jwt = JwtConfig{algorithm, key, "", "tiderace"};
  return config;
}

}  // namespace

/// Tokens: any text is one or none. Nobody gets in without a signature, whatever header and claims say.
/// The input is a token, or a header and claims with a line break between them, which are signed.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Tokens shared(config_of("HS256", secret));
  static const Tokens asymmetric(config_of("ES256", public_key));
  static const std::string sound =
      R"({"sub":"a","aud":"tiderace","exp":1700000100,"write":["t"],"keys":["k"]})";
  static const std::string known = signed_with(secret, R"({"alg":"HS256","typ":"JWT"})", sound);
  if (!shared.grant(known, now) || shared.grant(known, now + 200)) std::abort();
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  // The last digit of a signature has bits that stand for nothing.
  const std::string signed_part = known.substr(0, known.rfind('.') + 1);
  if (shared.grant(text, now) && text != static_token && !text.starts_with(signed_part)) std::abort();
  if (asymmetric.grant(text, now) && text != static_token) std::abort();
  const std::size_t line = text.find('\n');
  if (line == std::string_view::npos) return 0;
  const std::string_view header = text.substr(0, line);
  const std::string_view claims = text.substr(line + 1);
  if (asymmetric.grant(signed_with(public_key, header, claims), now)) std::abort();
  if (shared.grant(signed_with("another secret of thirty-two bytes, or more", header, claims), now))
    std::abort();
  const auto grant = shared.grant(signed_with(secret, header, claims), now);
  if (!grant) return 0;
  if (grant->subject.empty() || !grant->expires || *grant->expires <= now - 6) std::abort();
  std::string algorithm(header);  // libjwt takes it in any case
  for (char& c : algorithm) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  if (algorithm.find("HS256") == std::string::npos && algorithm.find('\\') == std::string::npos) std::abort();
  return 0;
}
