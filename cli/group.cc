#include "base/error.h"
#include "cli/broker.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "formats/json/encoder.h"

namespace tiderace::cli {
namespace {

ExitStatus list(const Arguments& arguments) {
  LineOutput output;
  for (const std::string& group : open_broker(arguments).log->groups()) {
    output.line() += group;
    output.end_line();
  }
  output.flush();
  return success;
}

void append_json(std::string& line, const TopicPartition& partition, std::int64_t offset, std::int64_t end) {
  line += "{\"topic\":";
  append_json_string(line, partition.topic);
  fmt::format_to(std::back_inserter(line), ",\"partition\":{},\"offset\":{},\"end\":{},\"lag\":{}}}",
                 partition.partition, offset, end, end - offset);
}

ExitStatus show(const Arguments& arguments) {
  const Broker broker = open_broker(arguments);
  const std::string& group = arguments.positional[0];
  const auto offsets = broker.log->group_offsets(group);
  if (offsets.empty()) {
    throw_error(ErrorKind::config,
                "group \"{}\" has committed nothing in {}; `tiderace group list` shows the groups that have",
                group, broker.address);
  }
  LineOutput output;
  std::vector<std::vector<std::string>> rows = {{"TOPIC", "PARTITION", "OFFSET", "END", "LAG"}};
  for (const auto& [partition, offset] : offsets) {
    const std::int64_t end = broker.log->offsets(partition).second;
    if (arguments.has("--json")) {
      append_json(output.line(), partition, offset, end);
      output.end_line();
    } else {
      rows.push_back({partition.topic, std::to_string(partition.partition), std::to_string(offset),
                      std::to_string(end), std::to_string(end - offset)});
    }
  }
  if (!arguments.has("--json")) output.line() += table(rows);
  output.flush();
  return success;
}

}  // namespace

Command group_list() {
  return {.name = "group list",
          .summary = "Lists the consumer groups that have committed an offset.",
          .positional = {},
          .options = {broker_address_option},
          .details = "Examples:\n  tiderace group list\n",
          .run = list};
}

Command group_show() {
  return {.name = "group show",
          .summary = "Shows how far a consumer group has come in each partition.",
          .positional = {"GROUP"},
          .options =
              {{"--json", "",
                "one JSON object a partition and line: {\"topic\",\"partition\",\"offset\",\"end\",\"lag\"}"},
               broker_address_option},
          .details =
              "OFFSET is the next record that the group will read, END one past the last, LAG what lies "
              "between.\n"
              "\n"
              "Examples:\n"
              "  tiderace group show crash-detector\n"
              "  watch -n 1 tiderace group show crash-detector\n",
          .run = show};
}

}  // namespace tiderace::cli
