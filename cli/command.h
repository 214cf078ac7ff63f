#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tiderace::cli {

/// What the process ends with.
enum ExitStatus : int {
  success = 0,
  failure = 1,  ///< the world or the input failed: the log cannot be reached, a line is bad
  usage = 2,    ///< what was asked for cannot be: an unknown option, a topic that does not exist
  interrupted = 130,
};

struct Option {
  std::string_view name;   ///< with its dashes
  std::string_view value;  ///< what stands for the value in the help; empty: the option takes none
  std::string_view help;
};

/// What followed the name of a command, checked against its table of options.
class Arguments {
 public:
  std::vector<std::string> positional;
  std::map<std::string, std::string, std::less<>> options;

  [[nodiscard]] bool has(std::string_view option) const { return options.contains(option); }
  [[nodiscard]] std::optional<std::string> find(std::string_view option) const;
  /// The value as a whole number of at least `minimum`. Throws Error{config} for anything else.
  [[nodiscard]] std::optional<std::int64_t> find_number(std::string_view option, std::int64_t minimum) const;
};

struct Command {
  std::string_view name;  ///< as it is typed, for example "topic read"
  std::string_view summary;
  std::vector<std::string_view> positional;
  std::string_view more = {};  ///< what may stand behind those, any number of it; empty: nothing
  std::vector<Option> options;
  std::string_view details;  ///< the rest of the help, with examples
  ExitStatus (*run)(const Arguments&);
};

/// Every command, in the order of the help.
[[nodiscard]] std::span<const Command> commands();

/// Checks `words`, what followed the name of `command`. Throws Error{config} for what `command` does not
/// take.
[[nodiscard]] Arguments parse(const Command& command, std::span<char* const> words);

[[nodiscard]] std::string help();
[[nodiscard]] std::string help(const Command& command);

}  // namespace tiderace::cli
