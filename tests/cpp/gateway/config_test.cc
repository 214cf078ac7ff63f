#include "gateway/config.h"

#include <gtest/gtest.h>
#include <tiderace/error.h>

#include <cstdlib>
#include <regex>

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
  EXPECT_EQ(refusal_of("id = 7\n" + topics), "gateway.toml line 1: id wants a string, found 7");
  EXPECT_NE(refusal_of("listen = \"8080\"\n" + topics).find("listen wants \"ADDRESS:PORT\""),
            std::string::npos);
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

/// The mistake of a file with `text` behind the topics t and us.
std::string mistake_in(const std::string& text) {
  return refusal_of("[topics]\nt = {}\nus = {}\n" + text);
}

TEST(GatewayConfig, MistakesSayWhatWasFound) {
  const std::pair<const char*, const char*> mistakes[] = {
      {"u = { retention = \"7x\" }\n", "line 4: topics.u.retention wants a time such as .*, found \"7x\""},
      {"[limits]\nmessage_bytes = \"1XB\"\n", "line 5: limits.message_bytes wants a size .*, found \"1XB\""},
      {"[limits]\nsessions = 0\n", "line 5: limits.sessions wants a whole number from 1 .*, found 0"},
      {"[limits]\nidle_timeout = 1.5\n", "line 5: limits.idle_timeout wants a string, found 1.5"},
      {"[jwt]\nalgorithm = \"none\"\n", "line 5: jwt.algorithm wants HS256, .*, found \"none\""},
      {"[jwt]\n", "line 4: \\[jwt\\] wants algorithm as HS256, RS256 or ES256"},
      {"[pages]\nout = []\n", "line 5: pages.out wants a string, found an array"},
  };
  for (const auto& [text, mistake] : mistakes)
    EXPECT_TRUE(std::regex_match(mistake_in(text), std::regex(std::string("gateway.toml ") + mistake)))
        << mistake_in(text);
  const std::string port = refusal_of("id = \"west\"\nlisten = \"127.0.0.1:99999\"\n[topics]\nt = {}\n");
  EXPECT_EQ(port.find("gateway.toml line 2: listen wants "), 0u) << port;
  EXPECT_TRUE(port.ends_with("found \"127.0.0.1:99999\"")) << port;
  // What is meant for a token is not said.
  EXPECT_EQ(mistake_in("[[tokens]]\ntoken = 1234567890123456789\nsubject = \"s\"\n"),
            "gateway.toml line 5: tokens.token wants a string");
}

TEST(GatewayConfig, NamesThatNoTopicMayHaveAreRefused) {
  for (const std::string id : {"a b", "", "..", "ü"}) {
    const std::string refusal = refusal_of("id = \"" + id + "\"\n[topics]\nt = {}\n");
    EXPECT_EQ(refusal.find("gateway.toml line 1: id wants 1 to 200 of a-z A-Z 0-9 . _ - "), 0u) << refusal;
    EXPECT_TRUE(refusal.ends_with("found \"" + id + "\"")) << refusal;
  }
  EXPECT_EQ(refusal_of("id = \"" + std::string(200, 'i') + "\"\n[topics]\nt = {}\n"), "");
  EXPECT_NE(refusal_of("id = \"" + std::string(201, 'i') + "\"\n[topics]\nt = {}\n"), "");
  EXPECT_EQ(mistake_in("\"bad name\" = {}\n"),
            "gateway.toml line 4: [topics.bad name] wants a name of 1 to 249 of a-z A-Z 0-9 . _ -");
  EXPECT_EQ(mistake_in("gateway-sequences = {}\n"),
            "gateway.toml line 4: [topics.gateway-sequences] wants another name, or the gateway another id: "
            "gateway-sequences is its own topic");
}

TEST(GatewayConfig, WhatNamesTopicsNamesSomeThatThereAre) {
  const std::string token = "[[tokens]]\ntoken = \"0123456789abcdef\"\nsubject = \"s\"\n";
  EXPECT_EQ(mistake_in("[pages]\nin = \"t\"\nout = \"typo\"\n"),
            "gateway.toml line 6: pages.out wants a topic of [topics]: t, us, found \"typo\"");
  EXPECT_EQ(mistake_in(token + "write = [\"t\",\n\"typo\"]\n"),
            "gateway.toml line 8: tokens.write wants topics of [topics] (t, us), * at the end stands for any "
            "rest, found \"typo\"");
  EXPECT_NE(mistake_in(token + "read = [\"typo*\"]\n").find("line 7: tokens.read wants"), std::string::npos);
  for (const std::string none : {"", "write = []\nread = []\n"})
    EXPECT_EQ(
        mistake_in(token + none),
        "gateway.toml line 4: [tokens] wants write, read or both, else it allows nothing; there are the "
        "topics t, us");
  EXPECT_EQ(mistake_in(token + "write = [\"u*\", \"t\"]\n"), "");
  EXPECT_EQ(mistake_in(token + "read = [\"*\"]\n"), "");
}

TEST(GatewayConfig, WithoutTokensItListensOnLoopbackOnly) {
  const std::string topics = "[topics]\nt = {}\n";
  EXPECT_NE(refusal_of("listen = \"0.0.0.0:80\"\n" + topics).find("tokens or [jwt]"), std::string::npos);
  EXPECT_EQ(refusal_of("listen = \"[::1]:80\"\n" + topics), "");
  EXPECT_EQ(refusal_of("listen = \"0.0.0.0:80\"\n" + topics +
                       "[[tokens]]\ntoken = \"0123456789abcdef\"\nsubject = \"s\"\nread = [\"t\"]\n"),
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
