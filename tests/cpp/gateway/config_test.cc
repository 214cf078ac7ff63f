#include "gateway/config.h"

#include <gtest/gtest.h>
#include <tiderace/error.h>

#include <cstdlib>

namespace tiderace::gateway {
namespace {

using namespace std::chrono_literals;

std::string refusal_of(const std::string& text) {
  try {
    static_cast<void>(parse_config(text, "gateway.toml", "/etc/tiderace"));
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::config);
    return error.what();
  }
  return {};
}

TEST(GatewayConfig, TheLeastIsATopic) {
  const Config config = parse_config("[topics]\nphone-data = {}\n", "gateway.toml", "");
  EXPECT_EQ(config.listen.address, "127.0.0.1");
  EXPECT_EQ(config.listen.port, 8080);
  EXPECT_EQ(config.topics.at("phone-data").partitions, 1);
  EXPECT_FALSE(config.has_tokens());
}

TEST(GatewayConfig, TakesEveryEntry) {
  setenv("GATEWAY_TEST_TOKEN", "sixteen characters or more", 1);
  setenv("GATEWAY_TEST_SECRET", "thirty-two bytes are wanted here, at least", 1);
  const Config config = parse_config(R"(
broker_address = "kafka:9092"
id = "west"
listen = "[::]:443"
metrics_port = 9100
web_root = "web"
allowed_origins = ["https://example.org"]
queue_bytes = "8MB"
threads = 2
session_ttl = "2d"
[topics]
phone-data = { partitions = 4, replication_factor = 3 }
[pages]
in = "phone-data"
[tls]
certificate = "cert.pem"
key = "/secret/key.pem"
[[tokens]]
token_env = "GATEWAY_TEST_TOKEN"
subject = "phones"
write = ["phone-*"]
keys = ["rider-*"]
[jwt]
algorithm = "HS256"
key_env = "GATEWAY_TEST_SECRET"
audience = "tiderace"
[limits]
message_bytes = "64kB"
messages_per_second = 10
connections = 5
handshake_timeout = "500ms"
body_timeout = "2s"
[security]
protocol = "SASL_SSL"
ca_location = "ca.pem"
)",
                                     "gateway.toml", "/etc/tiderace");
  EXPECT_EQ(config.id, "west");
  EXPECT_EQ(config.listen.address, "::");
  EXPECT_EQ(config.metrics_port, 9100);
  EXPECT_EQ(config.web_root.value(), "/etc/tiderace/web");
  EXPECT_EQ(config.queue_bytes, 8'000'000u);
  EXPECT_EQ(config.session_ttl, 48h);
  EXPECT_EQ(config.topics.at("phone-data").replication_factor, 3);
  EXPECT_EQ(config.tls.value().certificate, "/etc/tiderace/cert.pem");
  EXPECT_EQ(config.tls.value().key, "/secret/key.pem");
  EXPECT_EQ(config.tokens.at(0).token, "sixteen characters or more");
  EXPECT_EQ(config.tokens.at(0).grant.write, (std::vector<std::string>{"phone-*"}));
  EXPECT_TRUE(config.tokens.at(0).grant.read.empty());
  EXPECT_EQ(config.jwt.value().algorithm, "HS256");
  EXPECT_EQ(config.limits.message_bytes, 64'000u);
  EXPECT_EQ(config.limits.handshake_timeout, 500ms);
  EXPECT_EQ(config.limits.body_timeout, 2s);
  EXPECT_EQ(config.security.ca_location, "/etc/tiderace/ca.pem");
}

TEST(GatewayConfig, MistakesAreNamedWithTheirLine) {
  const std::string topics = "[topics]\nt = {}\n";
  EXPECT_NE(refusal_of("").find("[topics]"), std::string::npos);
  EXPECT_NE(refusal_of("x = ").find("gateway.toml line 1"), std::string::npos);
  EXPECT_EQ(refusal_of("\nlisten_on = 7\n" + topics)
                .find("gateway.toml line 2: there is no entry listen_on; there are "),
            0u);
  EXPECT_EQ(refusal_of("id = 7\n" + topics), "gateway.toml line 1: id wants a string");
  EXPECT_NE(refusal_of("listen = \"8080\"\n" + topics).find("listen = \"ADDRESS:PORT\""), std::string::npos);
  EXPECT_NE(refusal_of("listen = \"127.0.0.1:65536\"\n" + topics).find("listen"), std::string::npos);
  EXPECT_NE(refusal_of("[topics]\nt = { partitions = 0 }\n").find("a whole number from 1 to"),
            std::string::npos);
  EXPECT_NE(refusal_of(topics + "[limits]\nmessage_bytes = \"much\"\n").find("a size such as"),
            std::string::npos);
  EXPECT_NE(refusal_of(topics + "[jwt]\nalgorithm = \"none\"\n").find("HS256, RS256 or ES256"),
            std::string::npos);
  EXPECT_NE(refusal_of(topics + "[[tokens]]\nsubject = \"s\"\ntoken = \"short\"\n").find("16 characters"),
            std::string::npos);
  EXPECT_NE(refusal_of(topics + "[[tokens]]\nsubject = \"s\"\ntoken_env = \"GATEWAY_TEST_NOT_SET\"\n")
                .find("GATEWAY_TEST_NOT_SET is not"),
            std::string::npos);
}

TEST(GatewayConfig, WithoutTokensItListensOnLoopbackOnly) {
  const std::string topics = "[topics]\nt = {}\n";
  EXPECT_NE(refusal_of("listen = \"0.0.0.0:80\"\n" + topics).find("tokens or [jwt]"), std::string::npos);
  EXPECT_EQ(refusal_of("listen = \"[::1]:80\"\n" + topics), "");
  EXPECT_EQ(refusal_of("listen = \"0.0.0.0:80\"\n" + topics +
                       "[[tokens]]\ntoken = \"0123456789abcdef\"\nsubject = \"s\"\n"),
            "");
}

TEST(GatewayConfig, SizesAndTimes) {
  EXPECT_EQ(parse_bytes("512"), 512u);
  EXPECT_EQ(parse_bytes("1.5 kB"), 1500u);
  EXPECT_EQ(parse_bytes("1MiB"), 1u << 20);
  EXPECT_EQ(parse_bytes("-1"), std::nullopt);
  EXPECT_EQ(parse_bytes("1XB"), std::nullopt);
  EXPECT_EQ(parse_bytes("1e30GB"), std::nullopt);
  EXPECT_EQ(parse_bytes(""), std::nullopt);
  EXPECT_EQ(parse_duration("250ms"), 250ms);
  EXPECT_EQ(parse_duration("1min"), 1min);
  EXPECT_EQ(parse_duration("7d"), 168h);
  EXPECT_EQ(parse_duration("7"), std::nullopt);
  EXPECT_EQ(parse_duration("1e99s"), std::nullopt);
}

}  // namespace
}  // namespace tiderace::gateway
