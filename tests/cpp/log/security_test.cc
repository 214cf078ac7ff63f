#include "log/kafka/security/security.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "log/kafka/refusals.h"
#include "log/kafka/security/jwt.h"

namespace tiderace {
namespace {

using kafka::Refusals;

/// A variable of the environment, for a test.
class Variable {
 public:
  Variable(const char* name, const char* value) : name_(name) { setenv(name, value, 1); }
  ~Variable() { unsetenv(name_); }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;

 private:
  const char* name_;
};

std::string refusal(const KafkaSecurity& security, const std::map<std::string, std::string>& config = {}) {
  try {
    check_security(security, config);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::config);
    return error.what();
  }
  return "";
}

const std::string pem = "-----BEGIN CERTIFICATE-----\nsecret\n-----END CERTIFICATE-----\n";

TEST(Security, WhatGoesTogetherIsTaken) {
  const std::vector<KafkaSecurity> good = {
      {},
      {.protocol = "PLAINTEXT"},
      {.protocol = "SSL"},
      {.protocol = "SSL",
       .ca_pem = pem,
       .certificate_location = "c",
       .key_location = "k",
       .key_password = "p"},
      {.protocol = "SSL", .verify_hostname = false},
      {.protocol = "SASL_PLAINTEXT", .mechanism = "PLAIN", .username = "ada", .password = "p"},
      {.protocol = "SASL_SSL",
       .mechanism = "SCRAM-SHA-512",
       .username = "ada",
       .password = "p",
       .ca_location = "c"},
      {.protocol = "SASL_SSL", .mechanism = "OAUTHBEARER", .token = [] { return SecurityToken{}; }},
      {.protocol = "SASL_SSL", .mechanism = "GSSAPI"},
      {.protocol = "SASL_SSL",
       .mechanism = "GSSAPI",
       .principal = "ada@A.B",
       .keytab = "/k",
       .service_name = "kafka"},
  };
  for (const KafkaSecurity& security : good) EXPECT_EQ(refusal(security), "") << to_string(security);
  EXPECT_EQ(
      refusal({.protocol = "SASL_SSL", .mechanism = "OAUTHBEARER"}, {{"sasl.oauthbearer.method", "oidc"}}),
      "");
  EXPECT_EQ(
      refusal({.protocol = "SASL_SSL", .mechanism = "PLAIN", .username = "ada"}, {{"sasl.password", "p"}}),
      "");
}

TEST(Security, WhatDoesNotGoTogetherIsRefusedByName) {
  const auto jwt = [] { return SecurityToken{}; };
  const std::vector<std::pair<KafkaSecurity, std::vector<std::string>>> bad = {
      {{.mechanism = "PLAIN"}, {"protocol is missing", "SASL_SSL"}},
      {{.protocol = "sasl"}, {"protocol: wanted PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL, found \"sasl\""}},
      {{.protocol = "SASL_SSL"}, {"mechanism: wanted PLAIN, SCRAM-SHA-256", "found \"\""}},
      {{.protocol = "SASL_SSL", .mechanism = "SCRAM"}, {"mechanism: wanted", "found \"SCRAM\""}},
      {{.protocol = "SSL", .mechanism = "PLAIN"},
       {"mechanism is for the protocols SASL_PLAINTEXT", "found protocol SSL"}},
      {{.protocol = "SASL_SSL", .mechanism = "PLAIN"}, {"username is missing", "TIDERACE_SECURITY_USERNAME"}},
      {{.protocol = "SASL_SSL", .mechanism = "PLAIN", .username = "ada"},
       {"password is missing", "TIDERACE_SECURITY_PASSWORD"}},
      {{.protocol = "SASL_SSL", .mechanism = "GSSAPI", .username = "ada"},
       {"username is for the mechanisms PLAIN"}},
      {{.protocol = "SASL_SSL", .mechanism = "OAUTHBEARER"}, {"token is missing", "TIDERACE_SECURITY_TOKEN"}},
      {{.protocol = "SSL", .token = jwt}, {"token is for the mechanism OAUTHBEARER"}},
      {{.protocol = "SASL_SSL", .mechanism = "GSSAPI", .keytab = "/k"}, {"principal is missing"}},
      {{.protocol = "SASL_SSL", .mechanism = "GSSAPI", .principal = "ada; reboot"},
       {"principal: wanted no white space"}},
      {{.protocol = "PLAINTEXT", .ca_location = "c"}, {"ca_location is for the protocols SSL and SASL_SSL"}},
      {{.protocol = "PLAINTEXT", .verify_hostname = true}, {"verify_hostname is for"}},
      {{.protocol = "SSL", .ca_location = "c", .ca_pem = pem}, {"ca_location and ca_pem are both set"}},
      {{.protocol = "SSL", .certificate_pem = pem, .key_location = "k", .key_pem = pem},
       {"key_location and key_pem"}},
      {{.protocol = "SSL", .ca_pem = "/etc/ca.pem"}, {"ca_pem: wanted PEM", "ca_location"}},
      {{.protocol = "SSL", .certificate_location = "c"},
       {"certificate_location or certificate_pem is set without"}},
      {{.protocol = "SSL", .key_pem = pem}, {"key_location or key_pem is set without certificate_location"}},
      {{.protocol = "SSL", .key_password = "p"}, {"key_password is set without"}},
  };
  for (const auto& [security, parts] : bad) {
    const std::string found = refusal(security);
    for (const std::string& part : parts) EXPECT_NE(found.find(part), found.npos) << part << "\n" << found;
  }
}

TEST(Security, TextsHaveNoSecret) {
  const KafkaSecurity security = {.protocol = "SASL_SSL",
                                  .mechanism = "PLAIN",
                                  .username = "ada",
                                  .password = "secret",
                                  .ca_pem = pem,
                                  .key_pem = pem,
                                  .key_password = "secret"};
  EXPECT_EQ(to_string(security),
            "SASL_SSL, PLAIN, username \"ada\", password hidden, ca_pem hidden, key_pem hidden, key_password "
            "hidden");
  EXPECT_EQ(refusal(security).find("secret"), std::string::npos);
  const kafka::Secrets secrets(
      {{"sasl.password", "two"}, {"ssl.key.password", "two-three"}, {"linger.ms", "5"}});
  EXPECT_EQ(secrets.hide("5 two and two-three"), "5 (hidden) and (hidden)");
}

TEST(Security, TheEnvironmentFillsWhatIsLeftOutAndGoesWithTheRest) {
  const Variable protocol("TIDERACE_SECURITY_PROTOCOL", "SASL_SSL");
  const Variable mechanism("TIDERACE_SECURITY_MECHANISM", "PLAIN");
  const Variable username("TIDERACE_SECURITY_USERNAME", "ada");
  const Variable password("TIDERACE_SECURITY_PASSWORD", "of ada");
  const Variable ca("TIDERACE_SECURITY_CA_LOCATION", "ca.pem");
  const Variable verify("TIDERACE_SECURITY_VERIFY_HOSTNAME", "false");
  const KafkaSecurity all = with_environment({});
  EXPECT_EQ(
      to_string(all),
      "SASL_SSL, PLAIN, username \"ada\", password hidden, ca_location \"ca.pem\", host name not verified");
  EXPECT_EQ(all.password, "of ada");
  EXPECT_EQ(with_environment({.username = "bob", .ca_pem = pem}).ca_location, "");
  EXPECT_EQ(with_environment({.username = "bob"}).username, "bob");
  EXPECT_EQ(to_string(with_environment({.protocol = "PLAINTEXT"})), "PLAINTEXT");
  EXPECT_EQ(with_environment({.mechanism = "GSSAPI"}).password, "");
}

TEST(Security, TheEnvironmentMayHoldAToken) {
  const Variable protocol("TIDERACE_SECURITY_PROTOCOL", "SASL_SSL");
  const Variable mechanism("TIDERACE_SECURITY_MECHANISM", "OAUTHBEARER");
  const Variable token("TIDERACE_SECURITY_TOKEN", "a.b.c");
  EXPECT_EQ(with_environment({}).token().value, "a.b.c");
}

TEST(Security, AVariableWithoutTheProtocolIsAMistake) {
  const Variable password("TIDERACE_SECURITY_PASSWORD", "secret");
  try {
    static_cast<void>(with_environment({}));
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(),
                 "security: TIDERACE_SECURITY_PASSWORD is set and TIDERACE_SECURITY_PROTOCOL is not: wanted "
                 "PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL there");
  }
}

TEST(Security, ACommandLineGivesAllButSecrets) {
  EXPECT_EQ(to_string(parse_security("protocol=SASL_SSL,mechanism=PLAIN,username=ada,verify_hostname=false")),
            "SASL_SSL, PLAIN, username \"ada\", host name not verified");
  EXPECT_EQ(to_string(parse_security("")), "none");
  for (const char* text :
       {"password=x", "key_pem=x", "token=x", "nothing=x", "username", "protocol=", "=", ","})
    EXPECT_THROW(static_cast<void>(parse_security(text)), Error) << text;
}

TEST(Security, ATokenSaysWhenItEnds) {
  // {"alg":"none"} . {"x":{"exp":1,"sub":"no"},"sub":"ada","exp":1700000000.5}
  const std::string jwt =
      "eyJhbGciOiJub25lIn0.eyJ4Ijp7ImV4cCI6MSwic3ViIjoibm8ifSwic3ViIjoiYWRhIiwiZXhwIjoxNzAwMDAwMDAwLjV9.";
  const SecurityToken token = completed({jwt});
  EXPECT_EQ(token.principal, "ada");
  EXPECT_EQ(token.expires_at->time_since_epoch(), std::chrono::seconds(1'700'000'000));
  EXPECT_EQ(completed({.value = jwt, .principal = "bob"}).principal, "bob");
  for (const char* text : {"", "opaque", "a.b.c", "..", "a.eyJ", "a.eyJleHAiOiJ4In0.", "a.IiI6Ig"})
    EXPECT_THROW(static_cast<void>(completed({text})), Error) << text;
}

TEST(Refusals, CertificatesAreFinalAtOnceAndNameTheCause) {
  Refusals refusals("");
  EXPECT_EQ(refusals.state(0), Refusals::State::none);
  refusals.bad_certificate("host:9093", 10);
  refusals.report(RD_KAFKA_RESP_ERR__SSL,
                  "ssl://host:9093/bootstrap: SSL handshake failed: certificate verify failed", 0);
  EXPECT_EQ(refusals.state(0), Refusals::State::final);
  const std::string text = refusals.error("host:9093").what();
  EXPECT_NE(text.find("certificate has expired"), text.npos) << text;
  refusals.forget();
  EXPECT_EQ(refusals.state(0), Refusals::State::final);
}

TEST(Refusals, AuthenticationIsFinalOnlyWhereItGoesOn) {
  constexpr std::int64_t second = 1'000'000'000;
  Refusals refusals("PLAIN");
  refusals.report(
      RD_KAFKA_RESP_ERR__AUTHENTICATION,
      "sasl_ssl://host:9093/bootstrap: SASL authentication error: no (after 3ms in state AUTH_REQ)", second);
  EXPECT_EQ(refusals.state(second), Refusals::State::passing);
  EXPECT_EQ(refusals.state(5 * second), Refusals::State::due);
  EXPECT_STREQ(refusals.error("host:9093").what(),
               "Kafka at host:9093 does not let this program in: SASL authentication error: no. To mend it "
               "(security=): check `username` and `password`");
  refusals.forget();
  EXPECT_EQ(refusals.state(9 * second), Refusals::State::none);
}

TEST(Refusals, WithoutATokenThereIsNothingToWaitFor) {
  Refusals refusals("OAUTHBEARER");
  refusals.report(RD_KAFKA_RESP_ERR__AUTHENTICATION, "Failed to acquire SASL OAUTHBEARER token: closed", 0);
  EXPECT_EQ(refusals.state(0), Refusals::State::final);
  EXPECT_STREQ(
      refusals.error("host:9093").what(),
      "Kafka at host:9093 does not let this program in: Failed to acquire SASL OAUTHBEARER token: closed. To "
      "mend it (security=): check `token`");
}

TEST(Refusals, ConnectionsThatBreakAreNone) {
  Refusals refusals("");
  EXPECT_EQ(refusals.hint(), "");
  refusals.report(RD_KAFKA_RESP_ERR__TRANSPORT, "host:9093/1: Connect to ipv4#127.0.0.1:9093 failed: refused",
                  0);
  refusals.report(RD_KAFKA_RESP_ERR__SSL,
                  "ssl://host:9093/1: SSL handshake failed: unexpected eof (after 1ms in X)", 0);
  refusals.report(RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN, "1/1 brokers are down", 0);
  EXPECT_EQ(refusals.state(1'000'000'000'000), Refusals::State::none);
  EXPECT_EQ(
      refusals.hint(),
      " (SSL handshake failed: unexpected eof; `protocol` may not be that of the port in `broker_address`)");
}

}  // namespace
}  // namespace tiderace
