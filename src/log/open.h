#pragma once

#include <memory>
#include <string>

#include "log/embedded/embedded_log.h"
#include "log/kafka/kafka_log.h"
#include "log/log.h"

namespace tiderace {

/// The log at `broker_address`: `embedded:DIR` is the embedded log in DIR, `host:port[,host:port]` Apache
/// Kafka. Anything else throws Error{config}. Nothing is opened or contacted before the log is used.
std::unique_ptr<Log> open_log(const std::string& broker_address, EmbeddedOptions embedded = {},
                              KafkaOptions kafka = {}, Clock& clock = system_clock());

/// The directory of an `embedded:DIR` address; nullopt for any other.
[[nodiscard]] std::optional<std::string> embedded_directory(const std::string& broker_address);

}  // namespace tiderace
