#pragma once

#include <librdkafka/rdkafka.h>

#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>

#include "base/error.h"

namespace tiderace::kafka {

/// Why brokers do not let a client in, as librdkafka tells it bit by bit. Any thread.
///
///     certificate, no token  ──> final at once: nothing but another setting helps
///     password, token, ...   ──> final when it goes on for some seconds: a broker that starts may not know
///                                its users yet
///     connections that break ──> never final: brokers that are away do that, too; a hint for whoever waits
class Refusals {
 public:
  /// `mechanism` of SASL that the client uses; empty: none.
  explicit Refusals(std::string mechanism) : mechanism_(std::move(mechanism)) {}

  /// What OpenSSL says of the certificate that `broker` shows. What follows is an error without the cause.
  void bad_certificate(std::string_view broker, int x509_error);
  /// What librdkafka reports of a connection.
  void report(rd_kafka_resp_err_t code, std::string_view text, std::int64_t now_ns);
  /// The client was let in after all. What is final stays: another broker may have let it in.
  void forget() noexcept;

  enum class State { none, passing, due, final };
  /// `due`: it has gone on for long enough, if it is still so.
  [[nodiscard]] State state(std::int64_t now_ns) const;
  /// The refusal: Error{broker} with the cause and the setting to change.
  [[nodiscard]] Error error(std::string_view address) const;
  /// Why the last connection broke, to be appended to a text; empty where nothing is known.
  [[nodiscard]] std::string hint() const;

 private:
  [[nodiscard]] std::string_view settings_of_mechanism() const;
  void refuse(std::string cause, std::string advice, bool final, std::int64_t now_ns);

  const std::string mechanism_;
  mutable std::mutex mutex_;
  std::string cause_;  ///< empty: not refused
  std::string advice_;
  bool final_ = false;
  std::int64_t since_ns_ = 0;
  std::string hint_;
};

}  // namespace tiderace::kafka
