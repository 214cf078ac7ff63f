#include "log/open.h"

#include <string_view>

#include "base/error.h"

namespace tiderace {

std::optional<std::string> embedded_directory(const std::string& broker_address) {
  constexpr std::string_view scheme = "embedded:";
  if (!broker_address.starts_with(scheme)) return std::nullopt;
  return broker_address.substr(scheme.size());
}

std::unique_ptr<Log> open_log(const std::string& broker_address, EmbeddedOptions options, Clock& clock) {
  const auto directory = embedded_directory(broker_address);
  if (directory && !directory->empty()) return embedded_log(*directory, std::move(options), clock);
  throw_error(ErrorKind::config,
              "broker address \"{}\": this version reads the embedded log only; wanted embedded:DIR, for "
              "example embedded:.tiderace "
              "(Kafka's host:port comes next)",
              broker_address);
}

}  // namespace tiderace
