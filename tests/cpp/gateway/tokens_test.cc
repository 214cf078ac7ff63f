#include "gateway/tokens.h"

#include <gtest/gtest.h>
#include <jwt.h>
#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <tiderace/error.h>

#include <cstdlib>
#include <memory>

namespace tiderace::gateway {
namespace {

const std::string secret = "thirty-two bytes are wanted here, at least";
constexpr std::int64_t now = 1'700'000'000;

/// A token with these claims, signed.
std::string token_of(const std::string& claims, const std::string& key = secret,
                     jwt_alg_t algorithm = JWT_ALG_HS256) {
  jwt_t* jwt = nullptr;
  EXPECT_EQ(jwt_new(&jwt), 0);
  EXPECT_EQ(jwt_add_grants_json(jwt, claims.c_str()), 0);
  if (algorithm != JWT_ALG_NONE) {
    EXPECT_EQ(jwt_set_alg(jwt, algorithm, reinterpret_cast<const unsigned char*>(key.data()),
                          static_cast<int>(key.size())),
              0);
  }
  char* const text = jwt_encode_str(jwt);
  std::string token = text == nullptr ? "" : text;
  std::free(text);
  jwt_free(jwt);
  return token;
}

Config config() {
  Config config;
  config.jwt = JwtConfig{"HS256", secret, "them", "tiderace"};
  config.tokens.push_back(
      {"0123456789abcdef", {.subject = "phones", .write = {"phone-*"}, .keys = {{"r-*"}}}});
  return config;
}

const std::string sound =
    R"({"sub":"anna","iss":"them","aud":"tiderace","exp":1700000100,"write":["a"],"read":["b*"],"keys":["k"]})";

TEST(GatewayTokens, WithoutAnyEverybodyMayDoEverything) {
  const Tokens tokens{Config()};
  const auto grant = tokens.grant("", now);
  ASSERT_TRUE(grant);
  EXPECT_TRUE(may_write(*grant, "t"));
  EXPECT_TRUE(may_read(*grant, "t"));
  EXPECT_TRUE(may_use_key(*grant, std::nullopt));
}

TEST(GatewayTokens, StaticOnesAreTakenWhole) {
  const Tokens tokens(config());
  const auto grant = tokens.grant("0123456789abcdef", now);
  ASSERT_TRUE(grant);
  EXPECT_EQ(grant->subject, "phones");
  EXPECT_TRUE(may_write(*grant, "phone-data"));
  EXPECT_FALSE(may_write(*grant, "alerts"));
  EXPECT_FALSE(may_read(*grant, "phone-data"));
  EXPECT_TRUE(may_use_key(*grant, "r-1"));
  EXPECT_FALSE(may_use_key(*grant, "s-1"));
  EXPECT_FALSE(may_use_key(*grant, std::nullopt));
  for (const char* const wrong : {"", "0123456789abcde", "0123456789abcdef0", "0123456789abcdeF"})
    EXPECT_FALSE(tokens.grant(wrong, now)) << wrong;
}

TEST(GatewayTokens, SignedOnesSayWhatTheyAllow) {
  const Tokens tokens(config());
  const auto grant = tokens.grant(token_of(sound), now);
  ASSERT_TRUE(grant);
  EXPECT_EQ(grant->subject, "anna");
  EXPECT_EQ(grant->expires, 1'700'000'105) << "as long as a new socket would be let in with it";
  EXPECT_TRUE(may_write(*grant, "a"));
  EXPECT_TRUE(may_read(*grant, "beta"));
  EXPECT_TRUE(may_use_key(*grant, "k"));
}

TEST(GatewayTokens, WhatIsNotRightLetsNobodyIn) {
  const Tokens tokens(config());
  const std::vector<std::string> wrong = {
      token_of(sound, "another secret of thirty-two bytes, or more"),
      token_of(sound, "", JWT_ALG_NONE),
      token_of(sound, secret, JWT_ALG_HS512),
      token_of(R"({"sub":"a","iss":"them","aud":"tiderace","exp":1699999000})"),
      token_of(R"({"sub":"a","iss":"them","aud":"tiderace"})"),
      token_of(R"({"sub":"a","iss":"them","aud":"tiderace","exp":"1700000100"})"),
      token_of(R"({"sub":"a","iss":"them","aud":"tiderace","exp":1700000100,"nbf":1700000050})"),
      token_of(R"({"sub":"a","iss":"others","aud":"tiderace","exp":1700000100})"),
      token_of(R"({"sub":"a","iss":"them","aud":"others","exp":1700000100})"),
      token_of(R"({"sub":"","iss":"them","aud":"tiderace","exp":1700000100})"),
      token_of(R"({"iss":"them","aud":"tiderace","exp":1700000100})"),
      token_of(sound) + "x",
      "a.b.c",
      "..",
      std::string(20'000, 'a'),
      std::string("a\0b", 3),
  };
  for (std::size_t i = 0; i < wrong.size(); ++i) EXPECT_FALSE(tokens.grant(wrong[i], now)) << i;
  EXPECT_TRUE(
      tokens.grant(token_of(R"({"sub":"a","iss":"them","aud":["x","tiderace"],"exp":1700000100})"), now));
}

TEST(GatewayTokens, KeysThatAreNoListAllowNone) {
  const Tokens tokens(config());
  const auto grant =
      tokens.grant(token_of(R"({"sub":"a","iss":"them","aud":"tiderace","exp":1700000100,"keys":"k"})"), now);
  ASSERT_TRUE(grant);
  EXPECT_FALSE(may_use_key(*grant, "k"));
  EXPECT_FALSE(may_write(*grant, "a"));
}

struct Free {
  void operator()(EVP_PKEY* key) const noexcept { EVP_PKEY_free(key); }
  void operator()(BIO* text) const noexcept { BIO_free(text); }
};
using Key = std::unique_ptr<EVP_PKEY, Free>;

std::string pem_of(EVP_PKEY* key, bool is_private) {
  const std::unique_ptr<BIO, Free> text(BIO_new(BIO_s_mem()));
  const int written = is_private
                          ? PEM_write_bio_PrivateKey(text.get(), key, nullptr, nullptr, 0, nullptr, nullptr)
                          : PEM_write_bio_PUBKEY(text.get(), key);
  EXPECT_EQ(written, 1);
  char* bytes = nullptr;
  const long size = BIO_get_mem_data(text.get(), &bytes);
  return {bytes, static_cast<std::size_t>(size)};
}

TEST(GatewayTokens, AreTakenWithThePublicKeyOfTheirSigner) {
  const auto rsa = [] { return Key(EVP_RSA_gen(2048)); };
  const auto ec = [] { return Key(EVP_EC_gen("P-256")); };
  const auto check = [](const std::string& name, jwt_alg_t algorithm, const Key& signer, const Key& other) {
    Config config;
    config.jwt = JwtConfig{name, pem_of(signer.get(), false), "them", "tiderace"};
    const Tokens tokens(config);
    const std::string token = token_of(sound, pem_of(signer.get(), true), algorithm);
    const auto grant = tokens.grant(token, now);
    ASSERT_TRUE(grant) << name;
    EXPECT_EQ(grant->subject, "anna");
    EXPECT_TRUE(may_read(*grant, "b-1"));
    EXPECT_FALSE(tokens.grant(token, now + 200)) << "expired";
    EXPECT_FALSE(tokens.grant(token_of(sound, pem_of(other.get(), true), algorithm), now))
        << "another signer";
    std::string changed = token;
    changed[changed.find('.') + 5] ^= 1;
    EXPECT_FALSE(tokens.grant(changed, now));
    EXPECT_FALSE(tokens.grant(token.substr(0, token.rfind('.') + 1), now)) << "no signature";
  };
  check("RS256", JWT_ALG_RS256, rsa(), rsa());
  check("ES256", JWT_ALG_ES256, ec(), ec());
}

TEST(GatewayTokens, SayHeadersAndATimeThatNoClockHolds) {
  const Tokens tokens(config());
  const auto grant = tokens.grant(
      token_of(
          R"({"sub":"a","iss":"them","aud":"tiderace","exp":253402300799000,"headers":{"tenant":"red","n":1}})"),
      now);
  ASSERT_TRUE(grant);
  EXPECT_EQ(grant->headers, (std::map<std::string, std::string>{{"tenant", "red"}}));
  EXPECT_GT(grant->expires, now);
}

TEST(GatewayTokens, APublicKeyIsNoSecret) {
  // Whoever knows the public key must not be able to sign with it as a secret.
  Config public_key;
  public_key.jwt = JwtConfig{
      "ES256",
      "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEEVs/o5+uQbTjL3chynL4wXgUg2R9\n"
      "q9UU8I5mEovUf86QZ7kOBIjJwqnzD1omageEHWwHdBO6B+dFabmdT9POxg==\n-----END PUBLIC KEY-----\n",
      "", ""};
  const Tokens tokens(public_key);
  EXPECT_FALSE(tokens.grant(token_of(R"({"sub":"a","exp":1700000100})", public_key.jwt->key), now));
  public_key.jwt->key = "no key";
  EXPECT_THROW(Tokens{public_key}, Error);
}

}  // namespace
}  // namespace tiderace::gateway
