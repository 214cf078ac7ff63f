#include <limits>

#include "base/error.h"
#include "cli/broker.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "log/topic_rules.h"

namespace tiderace::cli {
namespace {

/// The value of `option`, from 1 to the largest number that `Number` holds.
template <class Number>
Number find_count(const Arguments& arguments, std::string_view option, Number otherwise) {
  const auto value = arguments.find_number(option, 1);
  if (value && *value > std::numeric_limits<Number>::max()) {
    throw_error(ErrorKind::config, "{} wants at most {}, found {}", option,
                std::numeric_limits<Number>::max(), *value);
  }
  return static_cast<Number>(value.value_or(otherwise));
}

ExitStatus run(const Arguments& arguments) {
  TopicConfig config;
  config.num_partitions = find_count(arguments, "--partitions", config.num_partitions);
  config.replication_factor = find_count(arguments, "--replication-factor", config.replication_factor);
  config.retention_ms = find_count(arguments, "--retention-ms", config.retention_ms);
  config.retention_bytes = find_count(arguments, "--retention-bytes", config.retention_bytes);
  config.compacted = arguments.has("--compacted");

  const std::string& name = arguments.positional[0];
  check_topic_name(name);  // before a log is made for it
  const Broker broker = open_broker(arguments, IfAbsent::create);
  if (!broker.log->create_topic(name, config) && !arguments.has("--if-absent")) {
    throw_error(ErrorKind::config, "topic \"{}\" exists already in {} and stays as it is, with {} partitions",
                name, broker.address, broker.topic(name).config.num_partitions);
  }
  return success;
}

}  // namespace

Command topic_create() {
  return {.name = "topic create",
          .summary = "Creates a topic. (A topic that an application uses is created when it first runs.)",
          .positional = {"NAME"},
          .options = {{"--partitions", "N", "how many partitions (default 1)"},
                      {"--retention-ms", "N", "delete records older than this (default: keep for ever)"},
                      {"--retention-bytes", "N",
                       "delete the oldest records of a partition beyond this size (default: no limit)"},
                      {"--compacted", "", "keep the last record of each key"},
                      {"--replication-factor", "N", "copies of each partition, Kafka only (default 1)"},
                      {"--if-absent", "", "be content if the topic exists already"},
                      broker_address_option},
          .details =
              "The partition of a record follows from its key, as with Kafka's Java client; rows of one key\n"
              "keep their order. More partitions let more workers share the rows.\n"
              "\n"
              "Examples:\n"
              "  tiderace topic create phone-data --partitions 4\n"
              "  tiderace topic create alerts --retention-ms 604800000 --if-absent\n",
          .run = run};
}

}  // namespace tiderace::cli
