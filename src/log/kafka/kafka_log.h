#pragma once

#include <tiderace/security.h>

#include <chrono>
#include <cstddef>
#include <map>
#include <memory>
#include <string>

#include "base/clock.h"
#include "log/log.h"

namespace tiderace {

/// How the clients of a Kafka log are set up.
struct KafkaOptions {
  KafkaSecurity security;                              ///< checked
  std::map<std::string, std::string> consumer_config;  ///< librdkafka's names; they win
  std::map<std::string, std::string> producer_config;  ///< librdkafka's names; they win
  std::size_t max_memory = std::size_t{512}
                           << 20;    ///< of fetched and of waiting records, about half for each
  std::string compression = "none";  ///< of what is written, as Kafka calls it
  std::chrono::nanoseconds linger = std::chrono::milliseconds(5);  ///< how long a record waits for others
};

/// Apache Kafka at `bootstrap_servers` (`host:port[,host:port]`), through librdkafka. Nothing is contacted
/// before the first call that needs it. Calls wait for a broker that is away, with a line in the log every 10
/// s; those of `Log` itself give up after 10 s with Error{broker}.
///
/// Consumer groups rebalance cooperatively: partitions that do not move never stop. Under exactly-once a
/// producer's commit is a transaction with the offsets of its consumer's group.
std::unique_ptr<Log> kafka_log(const std::string& bootstrap_servers, KafkaOptions options,
                               Clock& clock = system_clock());

}  // namespace tiderace
