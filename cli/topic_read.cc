#include <algorithm>
#include <charconv>
#include <limits>
#include <map>

#include "base/error.h"
#include "cli/broker.h"
#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/output.h"
#include "formats/record/record_json.h"
#include "log/bounded_follower.h"

namespace tiderace::cli {
namespace {

constexpr std::chrono::milliseconds between_looks{10};

std::int64_t start_of(const std::string& from, std::int64_t first, std::int64_t end) {
  if (from == "earliest") return first;
  if (from == "latest") return end;
  std::int64_t offset = 0;
  const auto [stopped, error] = std::from_chars(from.data(), from.data() + from.size(), offset);
  if (from.empty() || error != std::errc() || stopped != from.data() + from.size() || offset < 0) {
    throw_error(ErrorKind::config, "--from wants earliest, latest or an offset from 0 on, found \"{}\"",
                from);
  }
  return std::max(offset, first);
}

std::map<TopicPartition, std::int64_t> beginnings(const Arguments& arguments, const Broker& broker) {
  const TopicInfo topic = broker.topic(arguments.positional[0]);
  const auto only = arguments.find_number("--partition", 0);
  if (only && *only >= topic.config.num_partitions) {
    throw_error(ErrorKind::config, "there is no partition {} in topic \"{}\"; it has {}, from 0 on", *only,
                topic.name, topic.config.num_partitions);
  }
  std::map<TopicPartition, std::int64_t> from;
  for (std::int32_t number = 0; number < topic.config.num_partitions; ++number) {
    if (only && *only != number) continue;
    const auto [first, end] = broker.log->offsets({topic.name, number});
    from[{topic.name, number}] = start_of(arguments.find("--from").value_or("earliest"), first, end);
  }
  return from;
}

/// Prints up to `count` of the records of `run`. Returns how many.
std::int64_t print_run(const BoundedFollower::Run& run, std::int64_t count, RecordJson& json,
                       LineOutput& output) {
  json.begin(run.records);
  std::int64_t printed = 0;
  for (std::size_t row = 0; row < run.rows.size() && printed < count && caught_signal() == 0; ++row) {
    json.append(row, output.line());
    output.end_line();
    ++printed;
  }
  return printed;
}

ExitStatus run(const Arguments& arguments) {
  std::int64_t left = arguments.find_number("--count", 0).value_or(std::numeric_limits<std::int64_t>::max());
  const Broker broker = open_broker(arguments);
  BoundedFollower follower(*broker.log, beginnings(arguments, broker), arguments.has("--until-end"));
  RecordJson json;
  LineOutput output;
  while (left > 0 && !follower.at_end()) {
    for (const auto& run : follower.poll(between_looks)) left -= print_run(run, left, json, output);
    output.flush();
    if (caught_signal() != 0) return interrupted;
  }
  return success;
}

}  // namespace

Command topic_read() {
  return {
      .name = "topic read",
      .summary = "Prints the records of a topic, one JSON object a record and line, and waits for more.",
      .positional = {"NAME"},
      .options = {{"--from", "earliest|latest|OFFSET", "where to begin in each partition (default earliest)"},
                  {"--until-end", "",
                   "stop at what was the end when reading began; waits for open transactions"},
                  {"--count", "N", "stop after N records"},
                  {"--partition", "N", "this partition only"},
                  broker_address_option},
      .details =
          "A line is {\"topic\",\"partition\",\"offset\",\"timestamp\",\"key\",\"headers\",\"value\"}:\n"
          "  timestamp  milliseconds since 1970 (UTC)\n"
          "  key        a string or null; \"key_base64\" where it is not UTF-8\n"
          "  headers    [name, value] in order; a value is a string, null or {\"base64\": ...}\n"
          "  value      the record's own bytes (line breaks between tokens removed), null for a tombstone;\n"
          "             \"value_base64\" where it is not JSON\n"
          "Records of one partition come in the order of their offsets.\n"
          "\n"
          "Examples:\n"
          "  tiderace topic read alerts                               follow, from the first record on\n"
          "  tiderace topic read alerts --from latest                 follow what is new\n"
          "  tiderace topic read alerts --until-end > alerts.ndjson   all that there is\n"
          "  tiderace topic read alerts --partition 0 --from 17 --count 1\n",
      .run = run};
}

}  // namespace tiderace::cli
