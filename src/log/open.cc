#include "log/open.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "base/error.h"

namespace tiderace {
namespace {

/// `host:port`, or several with commas between them.
bool are_brokers(std::string_view address) {
  for (;;) {
    const std::size_t comma = std::min(address.find(','), address.size());
    const std::string_view broker = address.substr(0, comma);
    const std::size_t colon = broker.rfind(':');
    const std::string_view port = colon == std::string_view::npos ? "" : broker.substr(colon + 1);
    if (colon == std::string_view::npos || colon == 0 || port.empty() || port.size() > 5 ||
        port.find_first_not_of("0123456789") != std::string_view::npos ||
        broker.find_first_of(" /") != std::string_view::npos)
      return false;
    if (comma == address.size()) return true;
    address.remove_prefix(comma + 1);
  }
}

}  // namespace

std::optional<std::string> embedded_directory(const std::string& broker_address) {
  constexpr std::string_view scheme = "embedded:";
  if (!broker_address.starts_with(scheme)) return std::nullopt;
  return broker_address.substr(scheme.size());
}

std::unique_ptr<Log> open_log(const std::string& broker_address, EmbeddedOptions embedded, KafkaOptions kafka,
                              Clock& clock) {
  const auto directory = embedded_directory(broker_address);
  if (directory && !directory->empty()) return embedded_log(*directory, std::move(embedded), clock);
  if (!directory && are_brokers(broker_address)) return kafka_log(broker_address, std::move(kafka), clock);
  throw_error(
      ErrorKind::config,
      "broker address \"{}\": wanted host:port of Kafka, or embedded:DIR, for example localhost:9092 or "
      "embedded:.tiderace",
      broker_address);
}

}  // namespace tiderace
