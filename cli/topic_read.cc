#include <algorithm>
#include <charconv>

#include "base/error.h"
#include "cli/broker.h"
#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/output.h"
#include "cli/record_json.h"

namespace tiderace::cli {
namespace {

constexpr std::size_t run_bytes = 1 << 20;
constexpr std::chrono::milliseconds between_looks{10};

/// Where reading stands in one partition.
struct Position {
  TopicPartition partition;
  std::int64_t next = 0;
  std::int64_t end = std::numeric_limits<std::int64_t>::max();
  bool decided = false;  ///< all before `end` is committed or aborted
  [[nodiscard]] bool at_end() const noexcept { return next >= end; }
};

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

std::vector<Position> positions_of(const Arguments& arguments, const Broker& broker) {
  const TopicInfo topic = broker.topic(arguments.positional[0]);
  const auto only = arguments.find_number("--partition", 0);
  if (only && *only >= topic.config.num_partitions) {
    throw_error(ErrorKind::config, "there is no partition {} in topic \"{}\"; it has {}, from 0 on", *only,
                topic.name, topic.config.num_partitions);
  }
  std::vector<Position> positions;
  for (std::int32_t number = 0; number < topic.config.num_partitions; ++number) {
    if (only && *only != number) continue;
    Position position{.partition = {topic.name, number}};
    const auto [first, end] = broker.log->offsets(position.partition);
    position.next = start_of(arguments.find("--from").value_or("earliest"), first, end);
    if (arguments.has("--until-end")) {
      position.end = broker.log->written_offset(position.partition);
      position.decided = end >= position.end;
    }
    positions.push_back(std::move(position));
  }
  return positions;
}

/// Prints up to `count` of the records that stand ready at `position` and moves it past them. Returns how
/// many.
std::int64_t print_run(Log& log, Position& position, std::int64_t count, RecordJson& json,
                       LineOutput& output) {
  const bool until_end = position.end != std::numeric_limits<std::int64_t>::max();
  if (until_end && !position.decided)
    position.decided = log.offsets(position.partition).second >= position.end;
  const auto records = log.read(position.partition, position.next, run_bytes);
  if (records == nullptr || records->next_offset <= position.next) {
    // Nothing more, though the end has not been reached: what is left out there was compacted away.
    if (position.decided) position.next = position.end;
    return 0;
  }
  json.begin(records);
  std::int64_t printed = 0;
  for (std::size_t row = 0; row < records->rows.size(); ++row) {
    if (printed == count || records->rows[row].offset >= position.end || caught_signal() != 0) break;
    json.append(row, output.line());
    output.end_line();
    ++printed;
  }
  position.next = records->next_offset;
  return printed;
}

ExitStatus run(const Arguments& arguments) {
  const std::int64_t count =
      arguments.find_number("--count", 0).value_or(std::numeric_limits<std::int64_t>::max());
  const Broker broker = open_broker(arguments);
  std::vector<Position> positions = positions_of(arguments, broker);
  RecordJson json;
  LineOutput output;
  std::int64_t printed = 0;
  while (printed < count && !std::ranges::all_of(positions, &Position::at_end)) {
    const std::int64_t before = printed;
    for (Position& position : positions) {
      if (!position.at_end()) printed += print_run(*broker.log, position, count - printed, json, output);
    }
    output.flush();
    if (caught_signal() != 0) return interrupted;
    if (printed == before) static_cast<void>(wait_readable(-1, between_looks));
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
