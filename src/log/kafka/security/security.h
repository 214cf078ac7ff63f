#pragma once

#include <tiderace/security.h>

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace tiderace {

/// Throws Error{config}, which names the setting, for what does not go together. `consumer_config` may have
/// what is missing, under librdkafka's names. Reads no file.
void check_security(const KafkaSecurity& security, const std::map<std::string, std::string>& consumer_config);

/// `given`, and what it leaves empty as the environment says (TIDERACE_SECURITY_PROTOCOL, ...), where it goes
/// with the protocol and the mechanism.
[[nodiscard]] KafkaSecurity with_environment(KafkaSecurity given);

/// `NAME=VALUE,NAME=VALUE` with the names of `KafkaSecurity`, for a command line: secrets are not taken.
/// Throws Error{config}.
[[nodiscard]] KafkaSecurity parse_security(std::string_view text);

/// The text setting of that name; null if there is none.
[[nodiscard]] std::string* text_setting(KafkaSecurity& security, std::string_view name);
/// The names of all settings, with commas between them.
[[nodiscard]] std::string setting_names();

/// The time and the name of a token, from the JWT where they are not given. Throws Error{config}.
[[nodiscard]] SecurityToken completed(SecurityToken token);

namespace kafka {

/// As librdkafka names it. Throws Error{config} where a file cannot be read.
[[nodiscard]] std::map<std::string, std::string> settings_of(const KafkaSecurity& security);

/// Texts that nobody may see.
class Secrets {
 public:
  Secrets() = default;
  explicit Secrets(const std::map<std::string, std::string>& settings);
  /// `text` with each secret replaced.
  [[nodiscard]] std::string hide(std::string text) const;

 private:
  std::vector<std::string> values_;
};

}  // namespace kafka
}  // namespace tiderace
