#include "plan/topic.h"

#include <algorithm>
#include <tuple>

#include "base/error.h"
#include "plan/text.h"

namespace tiderace::plan {
namespace {

constexpr std::size_t longest_name = 249;  // Kafka's limit

void check_name(const std::string& name) {
  const auto is_taken = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
  };
  if (name.empty() || name.size() > longest_name || name == "." || name == ".." ||
      !std::all_of(name.begin(), name.end(), is_taken)) {
    throw_error(ErrorKind::plan,
                "app.topic({}): a topic's name is 1 to {} of the characters a-z A-Z 0-9 . _ -", quoted(name),
                longest_name);
  }
  if (name.starts_with("__")) {
    throw_error(ErrorKind::plan,
                "app.topic({}): names that begin with __ are reserved for the log's own topics",
                quoted(name));
  }
}

}  // namespace

void check_topic(const std::string& name, const TopicOptions& options) {
  check_name(name);
  const auto refuse = [&](const std::string& what) {
    throw_error(ErrorKind::plan, "app.topic({}): {}", quoted(name), what);
  };
  for (const auto& [column, kind] : options.schema) {
    if (kind != "int64" && kind != "float64" && kind != "string" && kind != "bool") {
      refuse(fmt::format("schema has the kind {} for {}; taken are int64, float64, string, bool",
                         quoted(kind), quoted(column)));
    }
  }
  if (options.value_deserializer != "json") {
    refuse(fmt::format("value_deserializer={}; taken is \"json\"", quoted(options.value_deserializer)));
  }
  if (options.timestamp && options.timestamp->empty())
    refuse("timestamp= is empty; name the field that holds a row's time");
  if (options.timestamp && options.schema.contains(*options.timestamp)) {
    const std::string& kind = options.schema.at(*options.timestamp);
    const bool text = options.timestamp_unit == TimestampUnit::iso8601;
    if (kind == "bool" || (kind == "string") != text) {
      refuse(fmt::format(
          "the timestamp column {} is declared {}, wanted {}", quoted(*options.timestamp), kind,
          text ? "string (timestamp_unit=\"iso8601\")" : "int64 or float64, or timestamp_unit=\"iso8601\""));
    }
  }
  if (options.max_ahead && options.max_ahead->count() < 0) refuse("max_ahead= is negative");
  const auto at_least_one = [&](const char* option, std::int64_t value) {
    if (value < 1) refuse(fmt::format("{}={}; wanted at least 1", option, value));
  };
  at_least_one("num_partitions", options.num_partitions);
  at_least_one("replication_factor", options.replication_factor);
  at_least_one("max_record_bytes", options.max_record_bytes);
  at_least_one("max_depth", options.max_depth);
}

bool same_options(const TopicOptions& left, const TopicOptions& right) {
  const auto has_function = [](const TopicOptions& options) {
    return options.on_error && !std::holds_alternative<ErrorPolicy>(*options.on_error);
  };
  if (has_function(left) || has_function(right)) return false;
  // The text has every option that differs from its default, but for what it rounds to text.
  return topic_text("t", left) == topic_text("t", right);
}

}  // namespace tiderace::plan
