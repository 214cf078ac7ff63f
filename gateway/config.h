#pragma once

#include <tiderace/options.h>

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace tiderace::gateway {

/// A topic that the gateway serves; where it does not exist it is created so.
struct ServedTopic {
  int partitions = 1;
  int replication_factor = 1;
  std::chrono::milliseconds retention{-1};  ///< how long its records are kept; -1: for ever
};

/// What the bearer of a token may do.
struct Grant {
  std::string subject;
  std::vector<std::string> write = {};                ///< topics; `*` at the end stands for any rest
  std::vector<std::string> read = {};                 ///< topics
  std::optional<std::vector<std::string>> keys = {};  ///< of records; unset: all
  std::map<std::string, std::string> headers = {};    ///< of all that its bearer writes
  std::optional<std::int64_t> expires = {};           ///< seconds since 1970
};

struct StaticToken {
  std::string token;
  Grant grant;
};

/// How tokens that others have signed (JWT) are checked.
struct JwtConfig {
  std::string algorithm;  ///< HS256, RS256 or ES256
  std::string key;        ///< the secret, or the PEM text of a public key
  std::string issuer;     ///< empty: any
  std::string audience;   ///< empty: any
};

struct TlsConfig {
  std::string certificate;  ///< PEM files
  std::string key;
};

struct Limits {
  std::size_t message_bytes = 1 << 20;
  double messages_per_second = 100;  ///< of a connection; bursts of one second
  std::size_t sessions = 100'000;    ///< of a subject, that write and that read
  int connections = 10'000;
  int connections_per_address = 1'000;
  std::chrono::nanoseconds handshake_timeout = std::chrono::seconds(5);
  std::chrono::nanoseconds body_timeout = std::chrono::seconds(30);  ///< of a POST; and of an answer
  std::chrono::nanoseconds idle_timeout = std::chrono::seconds(60);
};

struct Endpoint {
  std::string address = "127.0.0.1";
  std::uint16_t port = 8080;
};

/// What `gateway.toml` says; docs/guide/gateway.md has the file.
struct Config {
  std::string broker_address;
  std::string id = "gateway";
  Endpoint listen;
  std::optional<std::uint16_t> metrics_port;
  std::optional<std::string> web_root;  ///< unset: the pages that come with the gateway; empty: no pages
  std::vector<std::string> allowed_origins;
  std::size_t queue_bytes = 64 << 20;
  int threads = 0;  ///< 0: one a core, at most four
  std::chrono::nanoseconds session_ttl = std::chrono::hours(24 * 7);
  std::map<std::string, ServedTopic> topics;
  std::map<std::string, std::string> pages;  ///< what `/v1/config` tells the pages: `in`, `out`, `tile_url`
  std::optional<TlsConfig> tls;
  std::vector<StaticToken> tokens;
  std::optional<JwtConfig> jwt;
  Limits limits;
  KafkaSecurity security;
  [[nodiscard]] bool has_tokens() const noexcept { return !tokens.empty() || jwt.has_value(); }
};

/// The config of a file. Throws Error{config} that names the file, line and entry.
[[nodiscard]] Config read_config(const std::string& path);
/// The config of a text; `name` stands for it in errors, paths in it are relative to `folder`.
[[nodiscard]] Config parse_config(const std::string& text, const std::string& name,
                                  const std::string& folder);

/// `64MB`, `512kB`, `1 GiB` or a number of bytes; nullopt for anything else.
[[nodiscard]] std::optional<std::size_t> parse_bytes(std::string_view text);
/// `500ms`, `5s`, `1min`, `2h`, `7d`; nullopt for anything else.
[[nodiscard]] std::optional<std::chrono::nanoseconds> parse_duration(std::string_view text);

}  // namespace tiderace::gateway
