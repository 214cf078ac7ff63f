#include <algorithm>
#include <array>
#include <exception>
#include <string>

#include "base/error.h"
#include "cli/broker.h"
#include "cli/command.h"
#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/output.h"

namespace tiderace::cli {

std::span<const Command> commands() {
  static const std::array all = [] {
    std::array commands = {topic_list(), topic_create(), topic_write(), topic_read(),
                           group_list(), group_show(),   group_reset(), gateway()};
    for (Command& command : commands) {
      if (command.name != "gateway") command.options.push_back(security_option);  // its file has them
    }
    return commands;
  }();
  return all;
}

namespace {

bool asks_for_help(std::string_view word) {
  return word == "--help" || word == "-h" || word == "help";
}

ExitStatus print(std::string_view text) {
  LineOutput output;
  output.line() += text;
  output.flush();
  return success;
}

/// What to say to words that name no command: those that begin alike, or all.
std::string unknown_command(std::span<char* const> words) {
  std::string known;
  for (const Command& command : commands()) {
    if (command.name.starts_with(std::string(words[0]) + ' '))
      fmt::format_to(std::back_inserter(known), ", tiderace {}", command.name);
  }
  if (known.empty())
    return fmt::format("there is no command \"{}\"; `tiderace --help` lists those that are", words[0]);
  const std::string typed =
      words.size() > 1 ? fmt::format("{} {}", words[0], words[1]) : std::string(words[0]);
  return fmt::format("there is no command \"{}\"; there are {}", typed, known.substr(2));
}

ExitStatus run(std::span<char* const> words) {
  if (words.empty()) {
    complain("no command given\n\n" + help());
    return usage;
  }
  const std::string_view first = words[0];
  if (asks_for_help(first)) return print(help());
  if (first == "--version") return print("tiderace " TIDERACE_VERSION "\n");
  auto found = std::ranges::find(commands(), first, &Command::name);
  const std::size_t named = found != commands().end() || words.size() < 2 ? 1 : 2;
  if (named == 2)
    found = std::ranges::find(commands(), fmt::format("{} {}", first, words[1]), &Command::name);
  if (found == commands().end()) {
    if (words.size() == 2 && asks_for_help(words[1])) return print(help());
    throw_error(ErrorKind::config, "{}", unknown_command(words));
  }
  const auto rest = words.subspan(named);
  if (std::ranges::any_of(rest, [](std::string_view word) { return word == "--help" || word == "-h"; })) {
    return print(help(*found));
  }
  return found->run(parse(*found, rest));
}

}  // namespace
}  // namespace tiderace::cli

int main(int argc, char** argv) {
  using namespace tiderace;
  try {
    cli::catch_signals();
    const cli::ExitStatus status = cli::run(std::span(argv, static_cast<std::size_t>(argc)).subspan(1));
    return status == cli::interrupted ? 128 + cli::caught_signal() : status;
  } catch (const Error& error) {
    cli::complain(error.what());
    return error.kind() == ErrorKind::config ? cli::usage : cli::failure;
  } catch (const std::exception& error) {
    cli::complain(error.what());
    return cli::failure;
  }
}
