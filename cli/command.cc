#include "cli/command.h"

#include <algorithm>
#include <charconv>

#include "base/error.h"

namespace tiderace::cli {
namespace {

const Option& option_of(const Command& command, std::string_view name) {
  const auto found = std::ranges::find(command.options, name, &Option::name);
  if (found != command.options.end()) return *found;
  std::string known;
  for (const Option& option : command.options) fmt::format_to(std::back_inserter(known), " {}", option.name);
  throw_error(ErrorKind::config, "tiderace {} has no option {}; it has{}", command.name, name, known);
}

void append_options(std::string& out, std::span<const Option> options) {
  const auto left = [](const Option& option) {
    return option.value.empty() ? std::string(option.name) : fmt::format("{} {}", option.name, option.value);
  };
  std::size_t width = 0;
  for (const Option& option : options) width = std::max(width, left(option).size());
  for (const Option& option : options) {
    fmt::format_to(std::back_inserter(out), "  {:<{}}  ", left(option), width);
    for (const char c : option.help) {
      out += c;
      if (c == '\n') out.append(width + 4, ' ');
    }
    out += '\n';
  }
}

}  // namespace

std::optional<std::string> Arguments::find(std::string_view option) const {
  const auto found = options.find(option);
  return found == options.end() ? std::nullopt : std::optional(found->second);
}

std::optional<std::int64_t> Arguments::find_number(std::string_view option, std::int64_t minimum) const {
  const auto text = find(option);
  if (!text) return std::nullopt;
  std::int64_t number = 0;
  const char* end = text->data() + text->size();
  const auto [stopped, error] = std::from_chars(text->data(), end, number);
  if (text->empty() || error != std::errc() || stopped != end || number < minimum) {
    throw_error(ErrorKind::config, "{} wants a whole number of at least {}, found \"{}\"", option, minimum,
                *text);
  }
  return number;
}

Arguments parse(const Command& command, std::span<char* const> words) {
  Arguments arguments;
  bool only_positional = false;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::string_view word = words[i];
    if (only_positional || !word.starts_with('-') || word == "-") {
      arguments.positional.emplace_back(word);
      continue;
    }
    if (word == "--") {
      only_positional = true;
      continue;
    }
    const std::size_t equals = word.find('=');
    const Option& option = option_of(command, word.substr(0, equals));
    std::string value;
    if (option.value.empty()) {
      if (equals != word.npos)
        throw_error(ErrorKind::config, "{} takes no value, found {}", option.name, word);
    } else if (equals != word.npos) {
      value = word.substr(equals + 1);
    } else if (i + 1 < words.size()) {
      value = words[++i];
    } else {
      throw_error(ErrorKind::config, "{} wants a value: {} {}", option.name, option.name, option.value);
    }
    if (!arguments.options.emplace(option.name, value).second) {
      throw_error(ErrorKind::config, "{} is given twice", option.name);
    }
  }
  const std::size_t given = arguments.positional.size();
  if (given > command.positional.size() && command.more.empty()) {
    throw_error(ErrorKind::config, "tiderace {} does not know what to do with \"{}\"", command.name,
                arguments.positional[command.positional.size()]);
  }
  if (given < command.positional.size()) {
    throw_error(ErrorKind::config, "tiderace {} wants {}", command.name, command.positional[given]);
  }
  return arguments;
}

std::string help() {
  std::string out =
      "Usage: tiderace COMMAND [ARGUMENTS]\n"
      "       tiderace COMMAND --help\n"
      "\n"
      "Looks into the topics and consumer groups of a log and writes rows to it.\n"
      "\n"
      "Commands:\n";
  for (const Command& command : commands()) {
    fmt::format_to(std::back_inserter(out), "  {:<14}{}\n", command.name, command.summary);
  }
  out +=
      "\n"
      "The log is named by --broker-address, else by the environment variable TIDERACE_BROKER_ADDRESS, else "
      "it\n"
      "is the embedded log in .tiderace/ (embedded:.tiderace), which needs no broker. How a Kafka is reached "
      "that\n"
      "does not let everybody in say --security and the variables TIDERACE_SECURITY_PROTOCOL, ..._PASSWORD "
      "and so "
      "on.\n"
      "\n"
      "A first walk:\n"
      "  tiderace topic create phone-data --partitions 4\n"
      "  echo '{\"rider\": \"anna\", \"speed\": 7.5}' | tiderace topic write phone-data --key rider\n"
      "  tiderace topic read phone-data --until-end\n"
      "  tiderace topic list\n"
      "\n"
      "Exit status: 0 done, 1 the log or a line failed, 2 what was asked for cannot be, 130 after Ctrl-C,\n"
      "143 after SIGTERM.\n";
  return out;
}

std::string help(const Command& command) {
  std::string out = fmt::format("Usage: tiderace {}", command.name);
  for (const std::string_view name : command.positional) fmt::format_to(std::back_inserter(out), " {}", name);
  if (!command.more.empty()) fmt::format_to(std::back_inserter(out), " [{}...]", command.more);
  out += command.options.empty() ? "\n\n" : " [OPTIONS]\n\n";
  fmt::format_to(std::back_inserter(out), "{}\n\nOptions:\n", command.summary);
  append_options(out, command.options);
  fmt::format_to(std::back_inserter(out), "\n{}", command.details);
  return out;
}

}  // namespace tiderace::cli
