#include "log/kafka/security/security.h"

#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstdlib>
#include <system_error>
#include <utility>

#include "base/error.h"
#include "log/kafka/security/jwt.h"

namespace tiderace {
namespace {

/// With what a setting goes.
enum class Use { always, tls, sasl, password, kerberos };

struct Setting {
  std::string_view name;
  std::string KafkaSecurity::*value;
  const char* librdkafka;
  Use use;
  bool is_hidden = false;
  bool is_file = false;
};

constexpr Setting settings[] = {
    {"protocol", &KafkaSecurity::protocol, "security.protocol", Use::always},
    {"mechanism", &KafkaSecurity::mechanism, "sasl.mechanism", Use::sasl},
    {"username", &KafkaSecurity::username, "sasl.username", Use::password},
    {"password", &KafkaSecurity::password, "sasl.password", Use::password, true},
    {"principal", &KafkaSecurity::principal, "sasl.kerberos.principal", Use::kerberos},
    {"keytab", &KafkaSecurity::keytab, "sasl.kerberos.keytab", Use::kerberos, false, true},
    {"service_name", &KafkaSecurity::service_name, "sasl.kerberos.service.name", Use::kerberos},
    {"ca_location", &KafkaSecurity::ca_location, "ssl.ca.location", Use::tls, false, true},
    {"ca_pem", &KafkaSecurity::ca_pem, "ssl.ca.pem", Use::tls, true},
    {"certificate_location", &KafkaSecurity::certificate_location, "ssl.certificate.location", Use::tls,
     false, true},
    {"certificate_pem", &KafkaSecurity::certificate_pem, "ssl.certificate.pem", Use::tls, true},
    {"key_location", &KafkaSecurity::key_location, "ssl.key.location", Use::tls, false, true},
    {"key_pem", &KafkaSecurity::key_pem, "ssl.key.pem", Use::tls, true},
    {"key_password", &KafkaSecurity::key_password, "ssl.key.password", Use::tls, true},
};

/// Settings that say the same, as a file and as text.
constexpr std::pair<std::string KafkaSecurity::*, std::string KafkaSecurity::*> twins[] = {
    {&KafkaSecurity::ca_location, &KafkaSecurity::ca_pem},
    {&KafkaSecurity::certificate_location, &KafkaSecurity::certificate_pem},
    {&KafkaSecurity::key_location, &KafkaSecurity::key_pem},
};

std::string_view name_of(std::string KafkaSecurity::*value) {
  return std::ranges::find(settings, value, &Setting::value)->name;
}

std::string variable_of(std::string_view setting) {
  std::string name = fmt::format("TIDERACE_SECURITY_{}", setting);
  for (char& c : name) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return name;
}

bool has_tls(const KafkaSecurity& security) {
  return security.protocol.ends_with("SSL");
}
bool has_sasl(const KafkaSecurity& security) {
  return security.protocol.starts_with("SASL_");
}
bool has_password(const KafkaSecurity& security) {
  return has_sasl(security) && (security.mechanism == "PLAIN" || security.mechanism.starts_with("SCRAM-"));
}

bool goes_with(Use use, const KafkaSecurity& security) {
  switch (use) {
    case Use::always:
      return true;
    case Use::tls:
      return has_tls(security);
    case Use::sasl:
      return has_sasl(security);
    case Use::password:
      return has_password(security);
    case Use::kerberos:
      return has_sasl(security) && security.mechanism == "GSSAPI";
  }
  return false;
}

const char* wanted_for(Use use) {
  switch (use) {
    case Use::always:
      return "any protocol";
    case Use::tls:
      return "the protocols SSL and SASL_SSL";
    case Use::sasl:
      return "the protocols SASL_PLAINTEXT and SASL_SSL";
    case Use::password:
      return "the mechanisms PLAIN, SCRAM-SHA-256 and SCRAM-SHA-512 of SASL_PLAINTEXT and SASL_SSL";
    case Use::kerberos:
      return "the mechanism GSSAPI of SASL_PLAINTEXT and SASL_SSL";
  }
  return "";
}

std::string what_there_is(const KafkaSecurity& security) {
  return fmt::format("found protocol {}{}{}", security.protocol,
                     security.mechanism.empty() ? "" : ", mechanism ", security.mechanism);
}

template <std::size_t N>
void check_name(std::string_view setting, const std::string& found, const char* const (&names)[N]) {
  std::string all;
  for (const char* name : names) {
    if (found == name) return;
    all += fmt::format("{}{}", all.empty() ? "" : (name == names[N - 1] ? " or " : ", "), name);
  }
  throw_error(ErrorKind::config, "security: {}: wanted {}, found \"{}\"", setting, all, found);
}

void check_wanted(const KafkaSecurity& security, std::string KafkaSecurity::*value,
                  const std::map<std::string, std::string>& consumer_config) {
  const Setting& setting = *std::ranges::find(settings, value, &Setting::value);
  if (!(security.*value).empty() || consumer_config.contains(setting.librdkafka)) return;
  throw_error(ErrorKind::config, "security: {} is missing: mechanism {} wants it, as {}= or in {}",
              setting.name, security.mechanism, setting.name, variable_of(setting.name));
}

void check_sasl(const KafkaSecurity& security, const std::map<std::string, std::string>& consumer_config) {
  constexpr const char* mechanisms[] = {"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER", "GSSAPI"};
  if (security.mechanism.empty() && consumer_config.contains("sasl.mechanisms")) return;
  if (security.mechanism.empty() && consumer_config.contains("sasl.mechanism")) return;
  check_name("mechanism", security.mechanism, mechanisms);
  if (has_password(security)) {
    check_wanted(security, &KafkaSecurity::username, consumer_config);
    check_wanted(security, &KafkaSecurity::password, consumer_config);
  }
  if (security.mechanism == "OAUTHBEARER" && !security.token &&
      !consumer_config.contains("sasl.oauthbearer.method")) {
    throw Error(
        ErrorKind::config,
        "security: token is missing: mechanism OAUTHBEARER wants a function that gives one, as token=, or "
        "a JWT in TIDERACE_SECURITY_TOKEN");
  }
  if (!security.keytab.empty()) check_wanted(security, &KafkaSecurity::principal, consumer_config);
  // Both are put into the command line of kinit.
  for (const auto value : {&KafkaSecurity::principal, &KafkaSecurity::keytab}) {
    if ((security.*value).find_first_of("\"'`$\\;&|<>()*?~! \t\n") != std::string::npos) {
      throw_error(
          ErrorKind::config,
          "security: {}: wanted no white space and none of \"'`$\\;&|<>()*?~!, which a shell would take for "
          "its own; found {}",
          name_of(value), security.*value);
    }
  }
}

void check_tls(const KafkaSecurity& security) {
  for (const auto& [file, text] : twins) {
    if (!(security.*file).empty() && !(security.*text).empty()) {
      throw_error(ErrorKind::config, "security: {} and {} are both set, and say the same: leave one out",
                  name_of(file), name_of(text));
    }
    if (!(security.*text).empty() && (security.*text).find("-----BEGIN ") == std::string::npos) {
      throw_error(
          ErrorKind::config,
          "security: {}: wanted PEM, text with a line -----BEGIN ...-----; the name of a file goes to {}",
          name_of(text), name_of(file));
    }
  }
  const bool certificate = !security.certificate_location.empty() || !security.certificate_pem.empty();
  const bool key = !security.key_location.empty() || !security.key_pem.empty();
  if (certificate != key) {
    throw_error(ErrorKind::config, "security: {} is set without {}: a certificate and its key go together",
                certificate ? "certificate_location or certificate_pem" : "key_location or key_pem",
                certificate ? "key_location or key_pem" : "certificate_location or certificate_pem");
  }
  if (!security.key_password.empty() && !key)
    throw Error(ErrorKind::config, "security: key_password is set without key_location or key_pem");
}

std::optional<std::string> from_environment(std::string_view setting) {
  const char* found = std::getenv(variable_of(setting).c_str());
  return found == nullptr || *found == '\0' ? std::nullopt : std::optional<std::string>(found);
}

bool truth(std::string_view setting, const std::string& text) {
  if (text == "true" || text == "1") return true;
  if (text == "false" || text == "0") return false;
  throw_error(ErrorKind::config, "security: {}: wanted true or false, found \"{}\"", setting, text);
}

bool is_empty(const KafkaSecurity& security) {
  return !security.token && !security.verify_hostname &&
         std::ranges::all_of(settings,
                             [&](const Setting& setting) { return (security.*setting.value).empty(); });
}

}  // namespace

void check_security(const KafkaSecurity& security,
                    const std::map<std::string, std::string>& consumer_config) {
  constexpr const char* protocols[] = {"PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"};
  if (is_empty(security)) return;
  if (security.protocol.empty()) {
    throw_error(ErrorKind::config,
                "security: protocol is missing: wanted PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL beside {}",
                to_string(security));
  }
  check_name("protocol", security.protocol, protocols);
  if (has_sasl(security)) check_sasl(security, consumer_config);
  for (const Setting& setting : settings) {
    if (!(security.*setting.value).empty() && !goes_with(setting.use, security)) {
      throw_error(ErrorKind::config, "security: {} is for {}; {}", setting.name, wanted_for(setting.use),
                  what_there_is(security));
    }
  }
  if (security.token && !(has_sasl(security) && security.mechanism == "OAUTHBEARER")) {
    throw_error(ErrorKind::config,
                "security: token is for the mechanism OAUTHBEARER of SASL_PLAINTEXT and SASL_SSL; {}",
                what_there_is(security));
  }
  if (security.verify_hostname && !has_tls(security)) {
    throw_error(ErrorKind::config, "security: verify_hostname is for {}; {}", wanted_for(Use::tls),
                what_there_is(security));
  }
  check_tls(security);
}

KafkaSecurity with_environment(KafkaSecurity given) {
  const auto twin_is_set = [&given](std::string KafkaSecurity::*value) {
    return std::ranges::any_of(twins, [&](const auto& pair) {
      return (pair.first == value && !(given.*pair.second).empty()) ||
             (pair.second == value && !(given.*pair.first).empty());
    });
  };
  // In the order of the table: what goes with it is known by then.
  KafkaSecurity all = given;
  for (const Setting& setting : settings) {
    if (!(all.*setting.value).empty() || !goes_with(setting.use, all) || twin_is_set(setting.value)) continue;
    all.*setting.value = from_environment(setting.name).value_or("");
  }
  if (all.mechanism == "OAUTHBEARER" && has_sasl(all) && !all.token) {
    if (auto jwt = from_environment("token")) all.token = [jwt = *jwt] { return SecurityToken{jwt}; };
  }
  if (has_tls(all) && !all.verify_hostname) {
    if (const auto text = from_environment("verify_hostname"))
      all.verify_hostname = truth("verify_hostname", *text);
  }
  for (const Setting& setting : settings) {
    if (all.protocol.empty() && from_environment(setting.name)) {
      throw_error(
          ErrorKind::config,
          "security: {} is set and {} is not: wanted PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL there",
          variable_of(setting.name), variable_of("protocol"));
    }
  }
  return all;
}

std::string* text_setting(KafkaSecurity& security, std::string_view name) {
  const auto found = std::ranges::find(settings, name, &Setting::name);
  return found == std::end(settings) ? nullptr : &(security.*found->value);
}

std::string setting_names() {
  std::string names;
  for (const Setting& setting : settings) names += fmt::format("{}, ", setting.name);
  return names + "token, verify_hostname";
}

KafkaSecurity parse_security(std::string_view text) {
  KafkaSecurity security;
  while (!text.empty()) {
    const std::size_t comma = std::min(text.find(','), text.size());
    const std::string_view part = text.substr(0, comma);
    text.remove_prefix(std::min(comma + 1, text.size()));
    const std::size_t equals = std::min(part.find('='), part.size());
    const std::string_view name = part.substr(0, equals);
    const std::string value(part.substr(std::min(equals + 1, part.size())));
    const auto found = std::ranges::find(settings, name, &Setting::name);
    if (name == "token" || (found != std::end(settings) && found->is_hidden)) {
      throw_error(
          ErrorKind::config,
          "security: {} does not belong on a command line, which everybody can see: set the variable {}",
          name, variable_of(name));
    }
    if (name == "verify_hostname") {
      security.verify_hostname = truth(name, value);
    } else if (found != std::end(settings) && !value.empty()) {
      security.*found->value = value;
    } else {
      throw_error(ErrorKind::config, "security: wanted NAME=VALUE,NAME=VALUE with names of {}",
                  setting_names());
    }
  }
  return security;
}

std::string to_string(const KafkaSecurity& security) {
  std::string text;
  const auto add = [&text](std::string_view part) {
    text += fmt::format("{}{}", text.empty() ? "" : ", ", part);
  };
  for (const Setting& setting : settings) {
    const std::string& value = security.*setting.value;
    if (value.empty()) continue;
    if (setting.name == "protocol" || setting.name == "mechanism")
      add(value);
    else
      add(setting.is_hidden ? fmt::format("{} hidden", setting.name)
                            : fmt::format("{} \"{}\"", setting.name, value));
  }
  if (security.token) add("token from a function");
  if (security.verify_hostname) add(*security.verify_hostname ? "verify_hostname" : "host name not verified");
  return text.empty() ? "none" : text;
}

SecurityToken completed(SecurityToken token) {
  const kafka::Claims claims = kafka::read_jwt(token.value);
  if (!token.expires_at && claims.expires_at_s)
    token.expires_at = std::chrono::system_clock::time_point(std::chrono::seconds(*claims.expires_at_s));
  if (token.principal.empty()) token.principal = claims.subject;
  if (token.value.empty()) throw Error(ErrorKind::config, "security: token gave an empty text");
  if (!token.expires_at) {
    throw Error(ErrorKind::config,
                "security: token gave one that is no JWT with a time `exp`; say when it expires");
  }
  return token;
}

namespace kafka {

std::map<std::string, std::string> settings_of(const KafkaSecurity& security) {
  std::map<std::string, std::string> all;
  for (const Setting& setting : settings) {
    const std::string& value = security.*setting.value;
    if (value.empty()) continue;
    if (setting.is_file && access(value.c_str(), R_OK) != 0) {
      throw_error(ErrorKind::config, "security: {}: cannot read the file {} ({})", setting.name, value,
                  std::generic_category().message(errno));
    }
    all[setting.librdkafka] = value;
  }
  if (security.mechanism == "GSSAPI" && security.keytab.empty()) all["sasl.kerberos.kinit.cmd"] = "";
  if (security.verify_hostname)
    all["ssl.endpoint.identification.algorithm"] = *security.verify_hostname ? "https" : "none";
  return all;
}

Secrets::Secrets(const std::map<std::string, std::string>& settings) {
  for (const auto& [name, value] : settings) {
    const bool harmless = name.ends_with(".location") || name.ends_with(".method") || name.ends_with(".url");
    const bool is_secret =
        std::ranges::any_of(std::initializer_list<std::string_view>{"password", "secret", "pem",
                                                                    "oauthbearer.config", "jaas", "token"},
                            [&](std::string_view part) { return name.find(part) != std::string::npos; });
    if (is_secret && !harmless && !value.empty()) values_.push_back(value);
  }
  // A longer one may have a shorter one in it.
  std::ranges::sort(values_, std::greater(), &std::string::size);
}

std::string Secrets::hide(std::string text) const {
  constexpr std::string_view instead = "(hidden)";
  for (const std::string& secret : values_) {
    for (std::size_t at = text.find(secret); at != text.npos; at = text.find(secret, at + instead.size()))
      text.replace(at, secret.size(), instead);
  }
  return text;
}

}  // namespace kafka
}  // namespace tiderace
