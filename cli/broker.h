#pragma once

#include <memory>
#include <string>

#include "cli/command.h"
#include "log/log.h"

namespace tiderace::cli {

constexpr Option broker_address_option = {
    "--broker-address", "ADDRESS",
    "embedded:DIR, or host:port of Kafka (default: TIDERACE_BROKER_ADDRESS, else embedded:.tiderace)"};

constexpr Option security_option = {
    "--security", "NAME=VALUE,...",
    "Kafka: protocol=, mechanism=, username=, ca_location= and so on, as in the library; what is not\n"
    "given is taken from TIDERACE_SECURITY_PROTOCOL and so on, secrets only from there"};

/// A log and how its user named it.
struct Broker {
  std::string address;
  std::unique_ptr<Log> log;

  /// Throws Error{config} if there is no such topic.
  [[nodiscard]] TopicInfo topic(const std::string& name) const;
};

enum class IfAbsent { fail, create };

/// The log that `arguments` name; every command has both options. Throws Error{config} where an embedded one
/// is not there, unless it is to be created.
[[nodiscard]] Broker open_broker(const Arguments& arguments, IfAbsent if_absent = IfAbsent::fail);

}  // namespace tiderace::cli
