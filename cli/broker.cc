#include "cli/broker.h"

#include <cstdlib>
#include <filesystem>

#include "base/error.h"
#include "log/embedded/embedded_log.h"
#include "log/kafka/security/security.h"
#include "log/open.h"

namespace tiderace::cli {

TopicInfo Broker::topic(const std::string& name) const {
  const auto found = log->topic(name);
  if (!found) {
    throw_error(ErrorKind::config,
                "there is no topic \"{}\" in {}; `tiderace topic list` shows what there is, `tiderace topic "
                "create` makes one",
                name, address);
  }
  return *found;
}

namespace {

/// One who looks in a wrong folder would find an empty log from then on, and find it there again.
void check_is_there(const std::string& directory, const std::string& address) {
  if (embedded_log_exists(directory)) return;
  throw_error(
      ErrorKind::config,
      "there is no log in {} ({}); name another with {} or TIDERACE_BROKER_ADDRESS, or make one with an "
      "application or `tiderace topic create`",
      address, std::filesystem::absolute(directory).lexically_normal().string(), broker_address_option.name);
}

}  // namespace

Broker open_broker(const Arguments& arguments, IfAbsent if_absent) {
  const char* from_environment = std::getenv("TIDERACE_BROKER_ADDRESS");
  std::string address = from_environment != nullptr ? from_environment : "";
  address = arguments.find(broker_address_option.name).value_or(address);
  if (address.empty()) address = "embedded:.tiderace";
  KafkaOptions kafka;
  const auto text = arguments.find(security_option.name);
  const auto directory = embedded_directory(address);
  if (directory) {
    if (text) throw_error(ErrorKind::config, "{} is for Kafka; the log is {}", security_option.name, address);
  } else {
    kafka.security = with_environment(parse_security(text.value_or("")));
    check_security(kafka.security, {});
  }
  Broker broker{address, open_log(address, {}, kafka)};
  if (directory && if_absent == IfAbsent::fail) check_is_there(*directory, address);
  return broker;
}

}  // namespace tiderace::cli
