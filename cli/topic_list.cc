#include "base/error.h"
#include "cli/broker.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "formats/json/encoder.h"

namespace tiderace::cli {
namespace {

/// How many offsets the partitions of `topic` span: its records, but for those that compaction left out.
std::int64_t count_records(Log& log, const TopicInfo& topic) {
  std::int64_t count = 0;
  for (std::int32_t partition = 0; partition < topic.config.num_partitions; ++partition) {
    const auto [first, end] = log.offsets({topic.name, partition});
    count += end - first;
  }
  return count;
}

ExitStatus run(const Arguments& arguments) {
  const Broker broker = open_broker(arguments);
  LineOutput output;
  std::vector<std::vector<std::string>> rows = {{"TOPIC", "PARTITIONS", "RECORDS"}};
  for (const TopicInfo& topic : broker.log->topics()) {
    const std::int64_t records = count_records(*broker.log, topic);
    if (arguments.has("--json")) {
      std::string& line = output.line();
      line += "{\"topic\":";
      append_json_string(line, topic.name);
      fmt::format_to(std::back_inserter(line), ",\"partitions\":{},\"records\":{}}}",
                     topic.config.num_partitions, records);
      output.end_line();
    } else {
      rows.push_back({topic.name, std::to_string(topic.config.num_partitions), std::to_string(records)});
    }
  }
  if (!arguments.has("--json")) output.line() += table(rows);
  output.flush();
  return success;
}

}  // namespace

Command topic_list() {
  return {
      .name = "topic list",
      .summary = "Lists the topics with their partitions and records.",
      .positional = {},
      .options = {{"--json", "", "one JSON object a topic and line: {\"topic\",\"partitions\",\"records\"}"},
                  broker_address_option},
      .details =
          "Examples:\n"
          "  tiderace topic list\n"
          "  tiderace topic list --json | python3 -m json.tool --json-lines\n",
      .run = run};
}

}  // namespace tiderace::cli
