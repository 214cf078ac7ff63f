#include <charconv>

#include "base/error.h"
#include "cli/broker.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "columnar/event_time.h"
#include "formats/json/encoder.h"
#include "runtime/reset/reset.h"

namespace tiderace::cli {
namespace {

std::string required(const Arguments& arguments, std::string_view option) {
  const auto value = arguments.find(option);
  if (!value) throw_error(ErrorKind::config, "tiderace group reset wants {}", option);
  return *value;
}

ResetTarget target_of(const std::string& text) {
  if (text == "earliest") return ResetToEarliest{};
  if (text == "latest") return ResetToLatest{};
  std::int64_t offset = 0;
  const char* const end = text.data() + text.size();
  if (const auto [stopped, error] = std::from_chars(text.data(), end, offset);
      error == std::errc() && stopped == end && offset >= 0)
    return ResetToOffset{offset};
  // Not before the time that was asked for: a fraction of a millisecond is rounded up.
  if (const auto ns = parse_iso8601(text)) return ResetToTime{(*ns + ns_per_ms - 1) / ns_per_ms};
  throw_error(ErrorKind::config,
              "--to wants earliest, latest, an offset, or a time like 2026-11-23T10:00:00Z, found \"{}\"",
              text);
}

std::optional<ResetState> state_of(const Arguments& arguments) {
  const auto text = arguments.find("--state");
  if (!text) return std::nullopt;
  if (*text == "anew") return ResetState::anew;
  if (*text == "keep") return ResetState::keep;
  throw_error(ErrorKind::config, "--state wants anew or keep, found \"{}\"", *text);
}

void append_json(std::string& line, const ResetMove& move) {
  line += "{\"topic\":";
  append_json_string(line, move.partition.topic);
  fmt::format_to(std::back_inserter(line), ",\"partition\":{},\"offset\":{},\"new_offset\":{},\"end\":{}}}",
                 move.partition.partition, move.from ? std::to_string(*move.from) : "null", move.to,
                 move.end_offset);
}

void print(const ResetPlan& plan, bool json) {
  LineOutput output;
  std::vector<std::vector<std::string>> rows = {
      {"TOPIC", "PARTITION", "OFFSET", "NEW-OFFSET", "END", "NEW-LAG"}};
  for (const ResetMove& move : plan.moves) {
    if (json) {
      append_json(output.line(), move);
      output.end_line();
    } else {
      rows.push_back({move.partition.topic, std::to_string(move.partition.partition),
                      move.from ? std::to_string(*move.from) : "-", std::to_string(move.to),
                      std::to_string(move.end_offset), std::to_string(move.end_offset - move.to)});
    }
  }
  if (!json) output.line() += table(rows);
  output.flush();
}

/// What else there is to know before it is done.
void explain_dry_run(Log& log, const ResetPlan& plan, const std::optional<ResetState>& state) {
  if (const std::string members = members_in_the_way(log, plan.group); !members.empty())
    complain(
        fmt::format("group {} has members ({}); --execute wants them stopped first", plan.group, members));
  if (plan.stateful && !state) {
    complain(fmt::format(
        "group {} keeps state of {}; --execute wants --state anew (emptied, the rows from the new offset on "
        "are the first it sees) or --state keep (rows that are passed over are missing in it, rows that come "
        "again enter it twice)",
        plan.group, plan.topic));
  }
  complain("this was a dry run, nothing is changed; --execute does it");
}

ExitStatus reset(const Arguments& arguments) {
  const Broker broker = open_broker(arguments);
  const std::string topic = required(arguments, "--topic");
  const ResetTarget target = target_of(required(arguments, "--to"));
  const auto state = state_of(arguments);
  static_cast<void>(broker.topic(topic));
  std::optional<std::int32_t> partition;
  if (const auto number = arguments.find_number("--partition", 0))
    partition = static_cast<std::int32_t>(std::min<std::int64_t>(*number, INT32_MAX));
  const ResetPlan plan = plan_reset(*broker.log, arguments.positional[0], topic, partition, target);
  if (arguments.has("--execute")) reset_group(*broker.log, plan, state);
  print(plan, arguments.has("--json"));
  if (!arguments.has("--execute")) explain_dry_run(*broker.log, plan, state);
  return success;
}

}  // namespace

Command group_reset() {
  return {.name = "group reset",
          .summary = "Moves a consumer group to other offsets: a dry run, unless --execute is given.",
          .positional = {"GROUP"},
          .options = {{"--topic", "NAME", "the topic (required)"},
                      {"--to", "WHERE",
                       "earliest, latest, an offset, or a time like 2026-11-23T10:00:00Z: the first record "
                       "that is not\nolder (required)"},
                      {"--partition", "N", "of this partition alone"},
                      {"--state", "WHAT",
                       "where the group keeps state of the topic: anew empties it, keep leaves it as it is"},
                      {"--execute", "", "do it"},
                      {"--json", "",
                       "one JSON object a partition and line: "
                       "{\"topic\",\"partition\",\"offset\",\"new_offset\",\"end\"}"},
                      broker_address_option},
          .details =
              "OFFSET is where the group stands (-: nowhere yet), NEW-OFFSET where it reads on after "
              "--execute.\n"
              "All processes of the group must be stopped. Offsets and state move in one transaction; local "
              "state\n"
              "follows at the next start of each process, wherever it is.\n"
              "\n"
              "Examples:\n"
              "  tiderace group reset crash-detector --topic phone-data --to earliest\n"
              "  tiderace group reset crash-detector --topic phone-data --to 2026-11-23T10:00:00Z --state "
              "anew --execute\n"
              "  tiderace group reset crash-detector --topic phone-data --partition 2 --to 1041 --state keep "
              "--execute\n",
          .run = reset};
}

}  // namespace tiderace::cli
