#include "log/kafka/refusals.h"

#include <openssl/x509_vfy.h>

#include <algorithm>
#include <utility>

namespace tiderace::kafka {
namespace {

constexpr std::int64_t patience_ns = 3'000'000'000;

bool has(std::string_view text, std::string_view part) {
  return text.find(part) != text.npos;
}

/// `text` without what librdkafka puts around it: the broker in front, how long it took behind.
std::string bare(std::string_view text) {
  const std::size_t colon = text.find(": ");
  if (colon != text.npos && has(text.substr(0, colon), "/") && !has(text.substr(0, colon), " "))
    text.remove_prefix(colon + 2);
  if (const std::size_t after = text.rfind(" (after "); after != text.npos) text = text.substr(0, after);
  return std::string(text);
}

/// What a broker says of the client's certificate, by the numbers of TLS.
bool is_about_own_certificate(std::string_view text) {
  constexpr std::string_view alerts[] = {"alert number 42", "alert number 43", "alert number 44",
                                         "alert number 45", "alert number 46", "alert number 48",
                                         "alert number 116"};
  return std::ranges::any_of(alerts, [&](std::string_view alert) { return has(text, alert); });
}

std::string advice_on_certificate(int x509_error) {
  switch (x509_error) {
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
      return "name the broker in `broker_address` as its certificate does, or set `verify_hostname` to false";
    case X509_V_ERR_CERT_HAS_EXPIRED:
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return "the broker (or the authority in `ca_location`) wants a new certificate, or this machine's "
             "clock is wrong";
    default:
      return "give `ca_location` (or `ca_pem`) the certificate of the authority that signed the broker's";
  }
}

}  // namespace

void Refusals::bad_certificate(std::string_view broker, int x509_error) {
  const std::lock_guard lock(mutex_);
  // The first is of the cause; what follows, up the chain, is of no more interest.
  if (!cause_.empty()) return;
  cause_ = fmt::format("the certificate of {} is not accepted: {}", broker.substr(0, broker.find('/')),
                       X509_verify_cert_error_string(x509_error));
  advice_ = advice_on_certificate(x509_error);
  final_ = true;
}

void Refusals::report(rd_kafka_resp_err_t code, std::string_view text, std::int64_t now_ns) {
  const std::lock_guard lock(mutex_);
  if (code == RD_KAFKA_RESP_ERR__AUTHENTICATION) {
    const bool mechanism = has(text, "mechanism handshake failed");
    // Another one would be asked for only when this program has given up already.
    const bool final = has(text, "Failed to acquire SASL OAUTHBEARER token");
    refuse(bare(text),
           fmt::format("check {}", mechanism ? "`mechanism` and `protocol`" : settings_of_mechanism()), final,
           now_ns);
  } else if (is_about_own_certificate(text)) {
    refuse("the broker does not accept this program's certificate, or wants one: " + bare(text),
           "check `certificate_location` and `key_location` (or `certificate_pem` and `key_pem`)", true,
           now_ns);
  } else if (code == RD_KAFKA_RESP_ERR__SSL && has(text, "certificate verify failed")) {
    refuse(bare(text), advice_on_certificate(X509_V_ERR_UNSPECIFIED), true, now_ns);
  } else if (code == RD_KAFKA_RESP_ERR__SSL && has(text, "wrong version number")) {
    refuse("the broker does not speak TLS there: " + bare(text),
           "check `protocol`, or the port in `broker_address`", true, now_ns);
  } else if (code != RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN) {
    hint_ = bare(text);
    if (code == RD_KAFKA_RESP_ERR__SSL || has(hint_, "security.protocol"))
      hint_ += "; `protocol` may not be that of the port in `broker_address`";
  }
}

void Refusals::refuse(std::string cause, std::string advice, bool final, std::int64_t now_ns) {
  // A cause that is known better already stays.
  if (final_) return;
  if (cause_.empty()) since_ns_ = now_ns;
  cause_ = std::move(cause);
  advice_ = std::move(advice);
  final_ = final;
}

std::string_view Refusals::settings_of_mechanism() const {
  if (mechanism_ == "GSSAPI") return "`principal`, `keytab` and `service_name`";
  if (mechanism_ == "OAUTHBEARER") return "`token`";
  return "`username` and `password`";
}

void Refusals::forget() noexcept {
  const std::lock_guard lock(mutex_);
  hint_.clear();
  if (!final_) cause_.clear();
}

Refusals::State Refusals::state(std::int64_t now_ns) const {
  const std::lock_guard lock(mutex_);
  if (cause_.empty()) return State::none;
  if (final_) return State::final;
  return now_ns - since_ns_ >= patience_ns ? State::due : State::passing;
}

Error Refusals::error(std::string_view address) const {
  const std::lock_guard lock(mutex_);
  return Error(ErrorKind::broker,
               fmt::format("Kafka at {} does not let this program in: {}. To mend it (security=): {}",
                           address, cause_, advice_));
}

std::string Refusals::hint() const {
  const std::lock_guard lock(mutex_);
  return hint_.empty() ? "" : fmt::format(" ({})", hint_);
}

}  // namespace tiderace::kafka
