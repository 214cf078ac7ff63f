#include <fmt/format.h>

#include <limits>

#include "plan/offset.h"
#include "plan/parse/parse_value.h"

namespace tiderace::plan {
namespace {

TimestampUnit unit_called(const Value& value) {
  const std::string wanted = "timestamp_unit= as \"s\", \"ms\", \"us\", \"ns\" or \"iso8601\"";
  const std::string name = as_string(value, wanted);
  if (name == "s") return TimestampUnit::s;
  if (name == "ms") return TimestampUnit::ms;
  if (name == "us") return TimestampUnit::us;
  if (name == "ns") return TimestampUnit::ns;
  if (name == "iso8601") return TimestampUnit::iso8601;
  refuse_text(value.position, fmt::format("wanted {}, found {}", wanted, shown(value)));
}

ErrorPolicy policy_called(const Value& value) {
  const std::string wanted = "on_error= as \"stop\", \"skip\" or \"dead-letter\"";
  const std::string name = as_string(value, wanted);
  if (name == "stop") return ErrorPolicy::stop;
  if (name == "skip") return ErrorPolicy::skip;
  if (name == "dead-letter") return ErrorPolicy::dead_letter;
  refuse_text(value.position, fmt::format("wanted {}, found {}", wanted, shown(value)));
}

template <class Number>
void take_number(Arguments& arguments, const char* name, Number& option) {
  const std::optional<Value> value = arguments.take_named(name);
  if (!value) return;
  const std::int64_t number = as_integer(*value, fmt::format("{}= as a whole number", name));
  if (!std::in_range<Number>(number)) {
    refuse_text(value->position, fmt::format("wanted {}= up to {}, found {}", name,
                                             std::numeric_limits<Number>::max(), number));
  }
  option = static_cast<Number>(number);
}

}  // namespace

TopicOptions topic_options(Arguments& arguments) {
  TopicOptions options;
  if (const auto value = arguments.take_named("timestamp"))
    options.timestamp = as_string(*value, "timestamp= as the name of a field");
  if (const auto value = arguments.take_named("timestamp_unit")) options.timestamp_unit = unit_called(*value);
  if (const auto value = arguments.take_named("max_ahead")) {
    options.max_ahead =
        std::chrono::nanoseconds(parse_offset(as_string(*value, "max_ahead= as a string like \"1h\"")));
  }
  if (const auto value = arguments.take_named("schema")) {
    const Dictionary* schema = std::get_if<Dictionary>(&value->is);
    if (schema == nullptr)
      refuse_text(value->position,
                  fmt::format("wanted schema= as {{\"x\": \"int64\"}}, found {}", shown(*value)));
    for (const auto& [name, kind] : *schema)
      options.schema[name] = as_string(kind, "a kind as a string, for example \"int64\"");
  }
  if (const auto value = arguments.take_named("value_deserializer")) {
    options.value_deserializer = as_string(*value, "value_deserializer= as a string");
  }
  if (const auto value = arguments.take_named("on_error")) options.on_error = policy_called(*value);
  take_number(arguments, "max_record_bytes", options.max_record_bytes);
  take_number(arguments, "max_depth", options.max_depth);
  take_number(arguments, "num_partitions", options.num_partitions);
  take_number(arguments, "replication_factor", options.replication_factor);
  take_number(arguments, "retention_ms", options.retention_ms);
  take_number(arguments, "retention_bytes", options.retention_bytes);
  if (const auto value = arguments.take_named("compacted"))
    options.compacted = as_boolean(*value, "compacted= as True or False");
  return options;
}

}  // namespace tiderace::plan
