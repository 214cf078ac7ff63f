#include "plan/text.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "plan/offset.h"

namespace tiderace {

std::string quoted_list(const std::vector<std::string>& texts) {
  std::vector<std::string> parts;
  for (const std::string& text : texts) parts.push_back(quoted(text));
  return fmt::format("[{}]", fmt::join(parts, ", "));
}

std::string to_text(const ColumnReference& reference) {
  return to_text(Expression{reference});
}

namespace {

const char* to_string(ErrorPolicy policy) {
  switch (policy) {
    case ErrorPolicy::stop:
      return "stop";
    case ErrorPolicy::skip:
      return "skip";
    case ErrorPolicy::dead_letter:
      return "dead-letter";
  }
  return "?";
}

const char* to_string(TimestampUnit unit) {
  switch (unit) {
    case TimestampUnit::s:
      return "s";
    case TimestampUnit::ms:
      return "ms";
    case TimestampUnit::us:
      return "us";
    case TimestampUnit::ns:
      return "ns";
    case TimestampUnit::iso8601:
      return "iso8601";
  }
  return "?";
}

std::string to_text(const std::map<std::string, std::string>& schema) {
  std::vector<std::string> parts;
  for (const auto& [name, kind] : schema) parts.push_back(fmt::format("{}: {}", quoted(name), quoted(kind)));
  return fmt::format("{{{}}}", fmt::join(parts, ", "));
}

}  // namespace

std::string to_text(const Topic& topic) {
  return topic_text(topic.name, topic.options);
}

std::string topic_text(const std::string& name, const TopicOptions& given) {
  const TopicOptions defaults;
  std::string out = fmt::format("app.topic({}", quoted(name));
  const auto add = [&out](const char* name, const std::string& value) {
    out += fmt::format(", {}={}", name, value);
  };
  if (given.timestamp) add("timestamp", quoted(*given.timestamp));
  if (given.timestamp_unit != defaults.timestamp_unit)
    add("timestamp_unit", quoted(to_string(given.timestamp_unit)));
  if (given.max_ahead) add("max_ahead", quoted(format_offset(given.max_ahead->count())));
  if (!given.schema.empty()) add("schema", to_text(given.schema));
  if (given.value_deserializer != defaults.value_deserializer)
    add("value_deserializer", quoted(given.value_deserializer));
  if (given.on_error) {
    const ErrorPolicy* policy = std::get_if<ErrorPolicy>(&*given.on_error);
    add("on_error", policy != nullptr ? quoted(to_string(*policy)) : "<function>");
  }
  const auto add_number = [&](const char* name, auto value, auto normal) {
    if (value != normal) add(name, fmt::format("{}", value));
  };
  add_number("max_record_bytes", given.max_record_bytes, defaults.max_record_bytes);
  add_number("max_depth", given.max_depth, defaults.max_depth);
  add_number("num_partitions", given.num_partitions, defaults.num_partitions);
  add_number("replication_factor", given.replication_factor, defaults.replication_factor);
  add_number("retention_ms", given.retention_ms, defaults.retention_ms);
  add_number("retention_bytes", given.retention_bytes, defaults.retention_bytes);
  if (given.compacted) add("compacted", "True");
  return out + ")";
}

std::string rolling_call(const Rolling& rolling) {
  std::string out = ".rolling(";
  out += rolling.by_time ? quoted(format_offset(rolling.window)) : fmt::format("{}", rolling.window);
  if (rolling.grace_ns != 0) out += fmt::format(", grace={}", quoted(format_offset(rolling.grace_ns)));
  const std::int64_t usual = rolling.by_time ? 1 : rolling.window;
  if (rolling.min_periods != usual) out += fmt::format(", min_periods={}", rolling.min_periods);
  if (std::holds_alternative<DropLate>(rolling.on_late)) out += ", on_late=\"drop\"";
  if (const auto* topic = std::get_if<std::shared_ptr<const Topic>>(&rolling.on_late)) {
    out += fmt::format(", on_late={}", to_text(**topic));
  }
  if (std::holds_alternative<std::shared_ptr<RowFunction>>(rolling.on_late)) out += ", on_late=<function>";
  // The usual state name begins with the call itself; any other is the user's.
  if (!rolling.state_name.starts_with("rolling("))
    out += fmt::format(", name={}", quoted(rolling.state_name));
  return out + ")";
}

std::string aggregate_call(Aggregate aggregate, int ddof) {
  const bool has_ddof = aggregate == Aggregate::std || aggregate == Aggregate::var;
  return has_ddof && ddof != 1 ? fmt::format(".{}(ddof={})", to_string(aggregate), ddof)
                               : fmt::format(".{}()", to_string(aggregate));
}

std::string shift_call(const Shift& shift) {
  std::string arguments = shift.periods == 1 ? "" : fmt::format("{}", shift.periods);
  const std::string_view method = shift.difference ? "diff" : "shift";
  if (!shift.state_name.starts_with(fmt::format("{}(", method))) {
    arguments += fmt::format("{}name={}", arguments.empty() ? "" : ", ", quoted(shift.state_name));
  }
  return fmt::format(".{}({})", method, arguments);
}

namespace {

/// Whether `text`, the text of an expression, needs parentheses before a method: it has an operator outside
/// of all brackets.
bool needs_parentheses(std::string_view text) {
  int depth = 0;
  char quote = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quote != 0) {
      if (c == '\\')
        ++i;
      else if (c == quote)
        quote = 0;
    } else if (c == '"' || c == '\'') {
      quote = c;
    } else if (c == '(' || c == '[' || c == '{') {
      ++depth;
    } else if (c == ')' || c == ']' || c == '}') {
      --depth;
    } else if (depth == 0 && (c == ' ' || c == '-' || c == '~')) {
      return true;
    }
  }
  return false;
}

std::string rolling_text(const Rolling& step) {
  const std::string call = rolling_call(step);
  if (step.outputs.size() == 1 && step.columns.size() == 1) {
    return receiver(step.columns[0]) + call + aggregate_call(step.outputs[0].aggregate, step.ddof);
  }
  std::vector<std::string> columns;
  for (const ColumnReference& column : step.columns) {
    columns.push_back(column.path.size() == 1 && !column.hidden ? quoted(column.path[0]) : to_text(column));
  }
  const Aggregate aggregate = step.outputs.empty() ? Aggregate::mean : step.outputs[0].aggregate;
  return fmt::format("sdf[[{}]]{}{}", fmt::join(columns, ", "), call, aggregate_call(aggregate, step.ddof));
}

std::string row_function_text(const ApplyRow& step) {
  std::string arguments = step.function_name;
  if (step.stateful) {
    arguments += ", stateful=True";
    if (!step.state_name.starts_with("apply("))
      arguments += fmt::format(", name={}", quoted(step.state_name));
  }
  switch (step.mode) {
    case RowMode::replace:
      return fmt::format("sdf = sdf.apply({})", arguments);
    case RowMode::filter:
      return fmt::format("sdf = sdf.filter({})", arguments);
    case RowMode::update:
      return fmt::format("sdf = sdf.update({})", arguments);
    case RowMode::value:
      return fmt::format("sdf.apply({})", arguments);
  }
  return {};
}

std::string model_options(const PlannedModel& model) {
  if (model.versions == nullptr || model.method == "predict") return {};
  return fmt::format(", method={}", quoted(model.method));
}

std::string predict_text(const Predict& step) {
  std::vector<std::string> names;
  for (const ColumnReference& feature : step.features) {
    names.push_back(feature.path.size() == 1 && !feature.hidden ? quoted(feature.path[0]) : to_text(feature));
  }
  std::string options = model_options(step.model);
  if (step.pass_nulls) options += ", nulls=\"pass\"";
  if (!step.version_column.empty())
    options += fmt::format(", version_column={}", quoted(step.version_column));
  if (step.shadow) options += fmt::format(", shadow=load_model({})", quoted(step.shadow->name));
  if (step.shadow && !step.shadow_hidden)
    options += fmt::format(", shadow_column={}", quoted(step.shadow_output));
  return fmt::format("load_model({}).predict(sdf[[{}]]{})", quoted(step.model.name), fmt::join(names, ", "),
                     options);
}

struct StepText {
  std::string operator()(const Source& step) const {
    return fmt::format("sdf = app.dataframe({})", to_text(*step.topic));
  }
  std::string operator()(const Filter& step) const {
    return fmt::format("sdf = sdf[{}]", to_text(*step.condition));
  }
  std::string operator()(const Assign& step) const {
    const std::string value = to_text(*step.value);
    return step.hidden ? value : fmt::format("sdf[{}] = {}", quoted(step.name), value);
  }
  std::string operator()(const Project& step) const {
    return fmt::format("sdf = sdf[{}]", quoted_list(step.columns));
  }
  std::string operator()(const Drop& step) const {
    return fmt::format("sdf = sdf.drop(columns={})", quoted_list(step.columns));
  }
  std::string operator()(const Rename& step) const {
    std::vector<std::string> parts;
    for (const auto& [from, to] : step.columns)
      parts.push_back(fmt::format("{}: {}", quoted(from), quoted(to)));
    return fmt::format("sdf = sdf.rename(columns={{{}}})", fmt::join(parts, ", "));
  }
  std::string operator()(const Rolling& step) const { return rolling_text(step); }
  std::string operator()(const Shift& step) const { return receiver(step.column) + shift_call(step); }
  std::string operator()(const ApplyRow& step) const { return row_function_text(step); }
  std::string operator()(const ApplyValue& step) const {
    return fmt::format("{}.apply({})", receiver(step.column), step.function_name);
  }
  std::string operator()(const MapBatches& step) const {
    return fmt::format("{}sdf[{}].map_batches({})", step.output.empty() ? "sdf = " : "",
                       quoted_list(step.columns), step.function_name);
  }
  std::string operator()(const Predict& step) const { return predict_text(step); }
  std::string operator()(const ToTopic& step) const {
    std::string key;
    if (step.key) {
      const bool plain = step.key->path.size() == 1 && !step.key->hidden;
      key = fmt::format(", key={}", plain ? quoted(step.key->path[0]) : to_text(*step.key));
    }
    return fmt::format("sdf.to_topic({}{})", to_text(*step.topic), key);
  }
  std::string operator()(const Print& step) const {
    std::vector<std::string> arguments;
    if (step.width != Print{}.width) arguments.push_back(fmt::format("width={}", step.width));
    if (step.live) arguments.emplace_back("live=True");
    return fmt::format("sdf.print({})", fmt::join(arguments, ", "));
  }
};

}  // namespace

std::string model_identity(const PlannedModel& model) {
  return fmt::format("{} {} {}", static_cast<const void*>(model.model.get()),
                     static_cast<const void*>(model.versions.get()), model.method);
}

std::string receiver(const ColumnReference& reference) {
  const std::string text = to_text(reference);
  return reference.hidden && needs_parentheses(text) ? fmt::format("({})", text) : text;
}

std::string to_text(const Step& step) {
  return std::visit(StepText{}, step);
}

}  // namespace tiderace
