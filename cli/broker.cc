#include "cli/broker.h"

#include <cstdlib>

#include "base/error.h"
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

Broker open_broker(const Arguments& arguments) {
  const char* from_environment = std::getenv("TIDERACE_BROKER_ADDRESS");
  std::string address = from_environment != nullptr ? from_environment : "";
  address = arguments.find(broker_address_option.name).value_or(address);
  if (address.empty()) address = "embedded:.tiderace";
  KafkaOptions kafka;
  const auto text = arguments.find(security_option.name);
  if (embedded_directory(address)) {
    if (text) throw_error(ErrorKind::config, "{} is for Kafka; the log is {}", security_option.name, address);
  } else {
    kafka.security = with_environment(parse_security(text.value_or("")));
    check_security(kafka.security, {});
  }
  return {address, open_log(address, {}, kafka)};
}

}  // namespace tiderace::cli
