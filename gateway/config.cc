#include "gateway/config.h"

#include <toml++/toml.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>

#include "base/error.h"
#include "gateway/target.h"

namespace tiderace::gateway {
namespace {

constexpr std::size_t most_bytes = std::size_t{1} << 40;
constexpr std::size_t most_topic_bytes = 249;  // Kafka's rule
constexpr std::size_t most_id_bytes = 200;     // that of a group

/// A number and the unit behind it.
std::optional<double> quantity(std::string_view text, const std::map<std::string_view, double>& units) {
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || !std::isfinite(number) || number < 0) return std::nullopt;
  std::string_view unit = text.substr(static_cast<std::size_t>(end - text.data()));
  while (unit.starts_with(' ')) unit.remove_prefix(1);
  const auto found = units.find(unit);
  if (found == units.end()) return std::nullopt;
  return number * found->second;
}

/// A value of the file as a message has it.
std::string shown(const toml::node& node) {
  if (const auto text = node.value_exact<std::string>()) return fmt::format("\"{}\"", *text);
  if (const auto number = node.value_exact<std::int64_t>()) return fmt::format("{}", *number);
  if (const auto number = node.value_exact<double>()) return fmt::format("{}", *number);
  if (const auto truth = node.value_exact<bool>()) return *truth ? "true" : "false";
  return node.is_table() ? "a table" : node.is_array() ? "an array" : "a date or a time";
}

using Topics = std::map<std::string, ServedTopic>;

std::string names_of(const Topics& topics) {
  std::string names;
  for (const auto& [name, topic] : topics) names += (names.empty() ? "" : ", ") + name;
  return names;
}

/// Whether all of `text` may stand in the name of a topic, and it is not longer than `longest`.
bool is_name(std::string_view text, std::size_t longest) {
  constexpr std::string_view others = "._-";
  return !text.empty() && text.size() <= longest && text != "." && text != ".." &&
         std::ranges::all_of(text, [&](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  others.find(c) != std::string_view::npos;
         });
}

/// A table of the file, whose entries are taken by name; what nobody takes is a mistake.
class Table {
 public:
  Table(const toml::table& table, std::string file, std::string path, std::string folder)
      : table_(table), file_(std::move(file)), path_(std::move(path)), folder_(std::move(folder)) {}

  /// `what` is said of the entry `name`, in the line of `node`.
  [[noreturn]] void mistake(const toml::node& node, const std::string& name, std::string_view what) const {
    throw_error(ErrorKind::config, "{} line {}: {}{} {}", file_, node.source().begin.line, path_, name, what);
  }
  /// What a token is, nobody is told.
  [[noreturn]] void wrong(const toml::node& node, const std::string& name, std::string_view wanted) const {
    mistake(node, name, fmt::format("wants {}{}", wanted, name == "token" ? "" : ", found " + shown(node)));
  }
  /// The entry `name`, which may be missing, is not as it should be.
  [[noreturn]] void wrong(const std::string& name, std::string_view wanted) const {
    const toml::node* node = table_.get(name);
    if (node == nullptr) lacks(fmt::format("{} as {}", name, wanted));
    wrong(*node, name, wanted);
  }

  const toml::node* find(const std::string& name) {
    taken_.insert(name);
    return table_.get(name);
  }
  template <class T>
  std::optional<T> take(const std::string& name, std::string_view wanted) {
    const toml::node* node = find(name);
    if (node == nullptr) return std::nullopt;
    const auto value = node->value_exact<T>();
    if (!value) wrong(*node, name, wanted);
    return *value;
  }
  std::optional<std::string> text(const std::string& name) { return take<std::string>(name, "a string"); }
  std::int64_t number(const std::string& name, std::int64_t usual, std::int64_t least, std::int64_t most) {
    const std::string wanted = fmt::format("a whole number from {} to {}", least, most);
    const auto value = take<std::int64_t>(name, wanted);
    if (value && (*value < least || *value > most)) wrong(name, wanted);
    return value.value_or(usual);
  }
  std::optional<std::vector<std::string>> texts(const std::string& name) {
    const toml::node* node = find(name);
    if (node == nullptr) return std::nullopt;
    const toml::array* array = node->as_array();
    if (array == nullptr) wrong(*node, name, "an array of strings");
    std::vector<std::string> texts;
    for (const toml::node& each : *array) {
      const auto value = each.value_exact<std::string>();
      if (!value) wrong(each, name, "an array of strings");
      texts.push_back(*value);
    }
    return texts;
  }
  /// One of the topics that there are.
  std::optional<std::string> topic(const std::string& name, const Topics& topics) {
    const auto value = text(name);
    if (value && !topics.contains(*value)) wrong(name, "a topic of [topics]: " + names_of(topics));
    return value;
  }
  /// Topics that there are, and patterns that stand for some of them.
  std::vector<std::string> patterns(const std::string& name, const Topics& topics) {
    const auto patterns = texts(name).value_or(std::vector<std::string>());
    for (std::size_t i = 0; i < patterns.size(); ++i) {
      const auto is_meant = [&](const auto& topic) { return matches(patterns[i], topic.first); };
      if (std::ranges::any_of(topics, is_meant)) continue;
      wrong((*table_.get(name)->as_array())[i], name,
            fmt::format("topics of [topics] ({}), * at the end stands for any rest", names_of(topics)));
    }
    return patterns;
  }
  std::size_t bytes(const std::string& name, std::size_t usual) {
    const auto value = text(name);
    if (!value) return usual;
    const auto bytes = parse_bytes(*value);
    if (!bytes || *bytes == 0) wrong(name, R"(a size such as "512kB" or "64MiB")");
    return *bytes;
  }
  std::chrono::nanoseconds duration(const std::string& name, std::chrono::nanoseconds usual) {
    const auto value = text(name);
    if (!value) return usual;
    const auto duration = parse_duration(*value);
    if (!duration || duration->count() == 0) wrong(name, R"(a time such as "500ms", "5s", "1h" or "7d")");
    return *duration;
  }
  /// A file, relative to that of the config.
  std::optional<std::string> file(const std::string& name) {
    const auto value = text(name);
    if (!value || value->empty()) return value;
    return (std::filesystem::path(folder_) / *value).string();
  }
  /// The text of the environment variable that `name` names.
  std::optional<std::string> environment(const std::string& name) {
    const auto variable = text(name);
    if (!variable) return std::nullopt;
    const char* const value = std::getenv(variable->c_str());
    if (value == nullptr || *value == '\0')
      mistake(*table_.get(name), name,
              fmt::format("wants an environment variable that is set; {} is not", *variable));
    return value;
  }
  std::optional<Table> table(const std::string& name) {
    const toml::node* node = find(name);
    if (node == nullptr) return std::nullopt;
    if (!node->is_table()) wrong(*node, name, "a table");
    return of(*node->as_table(), name + ".");
  }
  std::vector<Table> tables(const std::string& name) {
    const toml::node* node = find(name);
    std::vector<Table> tables;
    if (node == nullptr) return tables;
    if (!node->is_array_of_tables()) wrong(*node, name, fmt::format("tables, [[{}]]", name));
    for (const toml::node& each : *node->as_array()) tables.push_back(of(*each.as_table(), name + "."));
    return tables;
  }
  [[nodiscard]] std::vector<std::string> names() const {
    std::vector<std::string> names;
    for (const auto& [name, node] : table_) names.emplace_back(name.str());
    return names;
  }
  [[noreturn]] void lacks(std::string_view what) const {
    throw_error(ErrorKind::config, "{} line {}: {} wants {}", file_, table_.source().begin.line,
                path_.empty() ? "the file" : "[" + path_.substr(0, path_.size() - 1) + "]", what);
  }
  void done() const {
    std::string known;
    for (const std::string& name : taken_) known += (known.empty() ? "" : ", ") + name;
    for (const auto& [name, node] : table_) {
      if (!taken_.contains(std::string(name.str())))
        throw_error(ErrorKind::config, "{} line {}: there is no entry {}{}; there are {}", file_,
                    node.source().begin.line, path_, name.str(), known);
    }
  }

 private:
  [[nodiscard]] Table of(const toml::table& table, const std::string& path) const {
    return {table, file_, path_ + path, folder_};
  }

  const toml::table& table_;
  std::string file_;
  std::string path_;
  std::string folder_;
  std::set<std::string> taken_;
};

Endpoint endpoint_of(Table& table) {
  const std::string text = table.text("listen").value_or("127.0.0.1:8080");
  const std::size_t colon = text.rfind(':');
  Endpoint endpoint;
  unsigned port = 65536;
  if (colon != std::string::npos) {
    const char* const end = text.data() + text.size();
    const auto [stopped, error] = std::from_chars(text.data() + colon + 1, end, port);
    if (error != std::errc() || stopped != end) port = 65536;
  }
  if (port > 65535)
    table.wrong("listen", R"("ADDRESS:PORT", for example "127.0.0.1:8080" or "[::]:8080", a port to 65535)");
  endpoint.port = static_cast<std::uint16_t>(port);
  endpoint.address = text.substr(0, colon);
  if (endpoint.address.starts_with('[') && endpoint.address.ends_with(']'))
    endpoint.address = endpoint.address.substr(1, endpoint.address.size() - 2);
  return endpoint;
}

std::string id_of(Table& config, const std::string& usual) {
  const std::string id = config.text("id").value_or(usual);
  if (!is_name(id, most_id_bytes))
    config.wrong(
        "id", fmt::format("1 to {} of a-z A-Z 0-9 . _ - (it is part of the name of a topic)", most_id_bytes));
  return id;
}

Topics topics_of(Table& config, const std::string& id) {
  Topics topics;
  auto table = config.table("topics");
  if (!table || table->names().empty())
    config.lacks("[topics]: what may be written and read, for example phone-data = { partitions = 4 }");
  for (const std::string& name : table->names()) {
    auto topic = *table->table(name);
    if (!is_name(name, most_topic_bytes))
      topic.lacks(fmt::format("a name of 1 to {} of a-z A-Z 0-9 . _ -", most_topic_bytes));
    if (name == id + "-sequences")
      topic.lacks(fmt::format("another name, or the gateway another id: {} is its own topic", name));
    ServedTopic served;
    served.partitions = static_cast<int>(topic.number("partitions", 1, 1, 100'000));
    served.replication_factor = static_cast<int>(topic.number("replication_factor", 1, 1, 100));
    served.retention =
        std::chrono::duration_cast<std::chrono::milliseconds>(topic.duration("retention", served.retention));
    topics[name] = served;
    topic.done();
  }
  return topics;
}

std::vector<StaticToken> tokens_of(Table& config, const Topics& topics) {
  std::vector<StaticToken> tokens;
  for (Table& table : config.tables("tokens")) {
    StaticToken token;
    const auto given = table.text("token");
    const auto from_environment = table.environment("token_env");
    if (given.has_value() == from_environment.has_value())
      table.lacks("one of token and token_env (the name of an environment variable)");
    token.token = given ? *given : *from_environment;
    if (token.token.size() < 16) table.lacks("a token of at least 16 characters");
    token.grant.subject = table.text("subject").value_or("");
    if (token.grant.subject.empty()) table.lacks("subject, whose token it is");
    token.grant.write = table.patterns("write", topics);
    token.grant.read = table.patterns("read", topics);
    if (token.grant.write.empty() && token.grant.read.empty())
      table.lacks("write, read or both, else it allows nothing; there are the topics " + names_of(topics));
    token.grant.keys = table.texts("keys");
    if (auto headers = table.table("headers")) {
      for (const std::string& name : headers->names()) {
        if (auto text = headers->text(name)) token.grant.headers[name] = *text;
      }
      headers->done();
    }
    table.done();
    tokens.push_back(std::move(token));
  }
  return tokens;
}

std::string text_of_file(const Table& table, const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) table.lacks(fmt::format("key_file as a file that can be read, {} cannot", path));
  return {std::istreambuf_iterator<char>(file), {}};
}

std::optional<JwtConfig> jwt_of(Table& config) {
  auto table = config.table("jwt");
  if (!table) return std::nullopt;
  JwtConfig jwt;
  jwt.algorithm = table->text("algorithm").value_or("");
  const bool secret = jwt.algorithm == "HS256";
  if (!secret && jwt.algorithm != "RS256" && jwt.algorithm != "ES256")
    table->wrong("algorithm", "HS256, RS256 or ES256");
  const auto file = table->file("key_file");
  const auto environment = table->environment("key_env");
  if (file.has_value() == environment.has_value())
    table->lacks("one of key_file and key_env, with the secret (HS256) or the public key in PEM");
  jwt.key = environment ? *environment : text_of_file(*table, *file);
  if (secret && jwt.key.size() < 32) table->lacks("a secret of at least 32 bytes for HS256");
  jwt.issuer = table->text("issuer").value_or("");
  jwt.audience = table->text("audience").value_or("");
  table->done();
  return jwt;
}

Limits limits_of(Table& config) {
  Limits limits;
  auto table = config.table("limits");
  if (!table) return limits;
  limits.message_bytes = table->bytes("message_bytes", limits.message_bytes);
  limits.messages_per_second = static_cast<double>(table->number("messages_per_second", 100, 1, 1'000'000));
  limits.sessions = static_cast<std::size_t>(
      table->number("sessions", static_cast<std::int64_t>(limits.sessions), 1, 1'000'000'000));
  limits.connections = static_cast<int>(table->number("connections", limits.connections, 1, 1'000'000));
  limits.connections_per_address = static_cast<int>(
      table->number("connections_per_address", limits.connections_per_address, 1, 1'000'000));
  limits.handshake_timeout = table->duration("handshake_timeout", limits.handshake_timeout);
  limits.body_timeout = table->duration("body_timeout", limits.body_timeout);
  limits.idle_timeout = table->duration("idle_timeout", limits.idle_timeout);
  table->done();
  return limits;
}

KafkaSecurity security_of(Table& config) {
  KafkaSecurity security;
  auto table = config.table("security");
  if (!table) return security;
  const std::pair<const char*, std::string KafkaSecurity::*> texts[] = {
      {"protocol", &KafkaSecurity::protocol},         {"mechanism", &KafkaSecurity::mechanism},
      {"username", &KafkaSecurity::username},         {"principal", &KafkaSecurity::principal},
      {"service_name", &KafkaSecurity::service_name},
  };
  for (const auto& [name, member] : texts) security.*member = table->text(name).value_or("");
  const std::pair<const char*, std::string KafkaSecurity::*> files[] = {
      {"ca_location", &KafkaSecurity::ca_location},
      {"certificate_location", &KafkaSecurity::certificate_location},
      {"key_location", &KafkaSecurity::key_location},
      {"keytab", &KafkaSecurity::keytab},
  };
  for (const auto& [name, member] : files) security.*member = table->file(name).value_or("");
  table->done();
  return security;
}

std::optional<TlsConfig> tls_of(Table& config) {
  auto table = config.table("tls");
  if (!table) return std::nullopt;
  TlsConfig tls{table->file("certificate").value_or(""), table->file("key").value_or("")};
  if (tls.certificate.empty() || tls.key.empty()) table->lacks("certificate and key, two files in PEM");
  table->done();
  return tls;
}

std::map<std::string, std::string> pages_of(Table& config, const Topics& topics) {
  std::map<std::string, std::string> pages;
  auto table = config.table("pages");
  if (!table) return pages;
  for (const char* const name : {"in", "out"}) {
    if (const auto topic = table->topic(name, topics)) pages[name] = *topic;
  }
  if (const auto tiles = table->text("tile_url")) pages["tile_url"] = *tiles;
  table->done();
  return pages;
}

void check(const Config& config, const Table& file) {
  const bool loopback = config.listen.address == "127.0.0.1" || config.listen.address == "::1";
  if (!config.has_tokens() && !loopback) {
    file.lacks(fmt::format(
        "tokens or [jwt] before it may listen on {}: without them everybody may write and read everything, "
        "so it listens on 127.0.0.1 or ::1 only",
        config.listen.address));
  }
}

Config config_of(Table& file) {
  Config config;
  const char* const usual = std::getenv("TIDERACE_BROKER_ADDRESS");
  config.broker_address = file.text("broker_address").value_or(usual == nullptr ? "" : usual);
  config.id = id_of(file, config.id);
  config.listen = endpoint_of(file);
  if (const auto port = file.number("metrics_port", 0, 0, 65535); port != 0)
    config.metrics_port = static_cast<std::uint16_t>(port);
  config.web_root = file.file("web_root");
  config.allowed_origins = file.texts("allowed_origins").value_or(std::vector<std::string>());
  config.queue_bytes = file.bytes("queue_bytes", config.queue_bytes);
  config.threads = static_cast<int>(file.number("threads", 0, 0, 64));
  config.session_ttl = file.duration("session_ttl", config.session_ttl);
  config.topics = topics_of(file, config.id);
  config.pages = pages_of(file, config.topics);
  config.tls = tls_of(file);
  config.tokens = tokens_of(file, config.topics);
  config.jwt = jwt_of(file);
  config.limits = limits_of(file);
  config.security = security_of(file);
  file.done();
  check(config, file);
  return config;
}

}  // namespace

std::optional<std::size_t> parse_bytes(std::string_view text) {
  static const std::map<std::string_view, double> units = {
      {"", 1},     {"B", 1},      {"kB", 1e3},          {"KB", 1e3},      {"MB", 1e6},
      {"GB", 1e9}, {"KiB", 1024}, {"MiB", 1024 * 1024}, {"GiB", 1 << 30},
  };
  const auto bytes = quantity(text, units);
  if (!bytes || *bytes > static_cast<double>(most_bytes)) return std::nullopt;
  return static_cast<std::size_t>(*bytes);
}

std::optional<std::chrono::nanoseconds> parse_duration(std::string_view text) {
  static const std::map<std::string_view, double> units = {
      {"ms", 1e6}, {"s", 1e9}, {"min", 60e9}, {"h", 3600e9}, {"d", 86400e9}};
  const auto ns = quantity(text, units);
  if (!ns || *ns > 9e18) return std::nullopt;
  return std::chrono::nanoseconds(static_cast<std::int64_t>(*ns));
}

Config parse_config(const std::string& text, const std::string& name, const std::string& folder) {
  try {
    const toml::table table = toml::parse(text, name);
    Table file(table, name, "", folder);
    return config_of(file);
  } catch (const toml::parse_error& error) {
    throw_error(ErrorKind::config, "{} line {}: {}", name, error.source().begin.line, error.description());
  }
}

Config read_config(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw_error(ErrorKind::config, "cannot read {}: wanted the gateway's configuration", path);
  const std::string text(std::istreambuf_iterator<char>(file), {});
  return parse_config(text, path, std::filesystem::path(path).parent_path().string());
}

}  // namespace tiderace::gateway
