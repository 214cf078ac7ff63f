#pragma once

#include <tiderace/export.h>

#include <chrono>
#include <functional>
#include <map>
#include <optional>
#include <string>

namespace TIDERACE_API tiderace {

/// What a client shows to Kafka's brokers under OAUTHBEARER.
struct SecurityToken {
  std::string value;  ///< a JWT, or what else the brokers take
  /// When another one is wanted (it is asked for at four fifths of the time); unset: `exp` of the JWT.
  std::optional<std::chrono::system_clock::time_point> expires_at = {};
  std::string principal = {};  ///< empty: `sub` of the JWT
  std::map<std::string, std::string> extensions = {};
};

/// How Kafka's brokers and this program know each other. What is left empty is taken from the environment:
/// TIDERACE_SECURITY_PROTOCOL, TIDERACE_SECURITY_PASSWORD and so on, as far as it goes with the rest.
///
/// ```cpp
/// tr::Application app({.broker_address = "broker:9093",
///                      .consumer_group = "crash-detector",
///                      .security = {.protocol = "SASL_SSL",
///                                   .mechanism = "SCRAM-SHA-512",
///                                   .username = "ada",
///                                   .password = read_password(),
///                                   .ca_location = "/etc/kafka/ca.pem"}});
/// ```
///
/// *Errors*: `Application` throws Error{config} for what does not go together. Files are read, and found
/// missing, when the first client is made. Brokers that do not let the program in are an Error{broker} that
/// names the setting to change. No text of Tiderace has a password, key or token in it. *Threads*: `token` is
/// called on a thread of its own.
struct KafkaSecurity {
  /// `PLAINTEXT`, `SSL`, `SASL_PLAINTEXT` or `SASL_SSL`. Wanted where anything else is set.
  std::string protocol = {};
  /// Of SASL: `PLAIN`, `SCRAM-SHA-256`, `SCRAM-SHA-512`, `OAUTHBEARER` or `GSSAPI` (Kerberos).
  std::string mechanism = {};
  std::string username = {};  ///< PLAIN and SCRAM
  std::string password = {};  ///< PLAIN and SCRAM
  /// OAUTHBEARER: gives a token, at the beginning and before the last one expires. What it throws is the
  /// reason of the error that follows, unless the last token still holds.
  std::function<SecurityToken()> token = {};
  std::string principal = {};  ///< GSSAPI: who this program is, for example `ada@EXAMPLE.ORG`
  std::string keytab = {};     ///< GSSAPI: the file with its keys; empty: tickets that somebody else renews
  std::string service_name = {};  ///< GSSAPI: the brokers' principal up to the slash; empty: `kafka`
  std::string ca_location = {};   ///< TLS: a PEM file of those who may vouch for brokers; empty: the system's
  std::string ca_pem = {};        ///< the same as text
  std::string certificate_location =
      {};                            ///< TLS: a PEM file with this program's own certificate (mutual TLS)
  std::string certificate_pem = {};  ///< the same as text
  std::string key_location = {};     ///< TLS: a PEM file with the key of the certificate
  std::string key_pem = {};          ///< the same as text
  std::string key_password = {};     ///< of an encrypted key
  /// TLS: whether the broker's certificate has to have the name that it was reached by; unset: yes.
  std::optional<bool> verify_hostname = {};
};

/// `SASL_SSL, SCRAM-SHA-512, username "ada", password hidden`: never a secret.
[[nodiscard]] std::string to_string(const KafkaSecurity& security);

}  // namespace tiderace
