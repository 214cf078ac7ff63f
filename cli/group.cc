#include <algorithm>
#include <map>
#include <optional>

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

/// How far a group has come in one partition.
struct Progress {
  TopicPartition partition;
  std::optional<std::int64_t> offset;  ///< nullopt: nothing is committed yet
  std::int64_t end = 0;
  std::optional<std::string> member;  ///< who owns it

  [[nodiscard]] std::optional<std::int64_t> lag() const {
    return offset ? std::optional(end - *offset) : std::nullopt;
  }
};

std::optional<std::string> owner_of(const GroupStatus& status, const TopicPartition& partition) {
  for (const GroupMember& member : status.members) {
    const bool all = member.partitions.empty() && status.members.size() == 1;
    if (all || std::ranges::find(member.partitions, partition) != member.partitions.end()) return member.name;
  }
  return std::nullopt;
}

/// Of every partition in which the group has committed or that a member owns.
std::vector<Progress> progress_of(Log& log, const std::string& group, const GroupStatus& status) {
  std::map<TopicPartition, std::optional<std::int64_t>> offsets;
  for (const auto& [partition, offset] : log.group_offsets(group)) offsets[partition] = offset;
  for (const GroupMember& member : status.members) {
    for (const TopicPartition& partition : member.partitions) offsets.try_emplace(partition);
  }
  std::vector<Progress> all;
  for (const auto& [partition, offset] : offsets)
    all.push_back({partition, offset, log.offsets(partition).second, owner_of(status, partition)});
  return all;
}

std::string number(const std::optional<std::int64_t>& value, const char* none) {
  return value ? std::to_string(*value) : none;
}

void append_json(std::string& line, const Progress& progress) {
  line += "{\"topic\":";
  append_json_string(line, progress.partition.topic);
  fmt::format_to(
      std::back_inserter(line),
      ",\"partition\":{},\"offset\":{},\"end\":{},\"lag\":{},\"member\":", progress.partition.partition,
      number(progress.offset, "null"), progress.end, number(progress.lag(), "null"));
  if (progress.member)
    append_json_string(line, *progress.member);
  else
    line += "null";
  line += '}';
}

ExitStatus show(const Arguments& arguments) {
  const Broker broker = open_broker(arguments);
  const std::string& group = arguments.positional[0];
  const GroupStatus status = broker.log->group_status(group);
  const std::vector<Progress> all = progress_of(*broker.log, group, status);
  if (all.empty() && status.state == GroupState::empty) {
    throw_error(ErrorKind::config,
                "group \"{}\" has committed nothing in {}; `tiderace group list` shows the groups that have",
                group, broker.address);
  }
  if (status.state == GroupState::rebalancing)
    complain(fmt::format("group {} rebalances: who owns what is not settled", group));
  LineOutput output;
  std::vector<std::vector<std::string>> rows = {{"TOPIC", "PARTITION", "OFFSET", "END", "LAG", "MEMBER"}};
  for (const Progress& progress : all) {
    if (arguments.has("--json")) {
      append_json(output.line(), progress);
      output.end_line();
    } else {
      rows.push_back({progress.partition.topic, std::to_string(progress.partition.partition),
                      number(progress.offset, "-"), std::to_string(progress.end), number(progress.lag(), "-"),
                      progress.member.value_or("-")});
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
          .options = {{"--json", "",
                       "one JSON object a partition and line: "
                       "{\"topic\",\"partition\",\"offset\",\"end\",\"lag\",\"member\"}"},
                      broker_address_option},
          .details =
              "OFFSET is the next record that the group will read, END one past the last, LAG what lies "
              "between,\n"
              "MEMBER who reads it now. `-` (null in JSON): nothing is committed, nobody reads it.\n"
              "\n"
              "Examples:\n"
              "  tiderace group show crash-detector\n"
              "  watch -n 1 tiderace group show crash-detector\n",
          .run = show};
}

}  // namespace tiderace::cli
