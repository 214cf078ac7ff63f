#include <fmt/format.h>

#include <map>
#include <tuple>

#include "plan/offset.h"
#include "plan/parse/parse_value.h"

namespace tiderace::plan {
namespace {

[[noreturn]] void no_method(const Arguments& arguments, const std::string& method, const char* of,
                            const char* there_are) {
  refuse_text(arguments.position(), fmt::format("{} has no method {}; there are {}", of, method, there_are));
}

std::optional<Aggregate> aggregate_called(const std::string& name) {
  for (const Aggregate aggregate : {Aggregate::mean, Aggregate::sum, Aggregate::min, Aggregate::max,
                                    Aggregate::count, Aggregate::std, Aggregate::var}) {
    if (name == to_string(aggregate)) return aggregate;
  }
  return std::nullopt;
}

std::optional<UnaryOperator> unary_called(const std::string& name) {
  static const std::map<std::string, UnaryOperator> unary{
      {"abs", UnaryOperator::absolute},     {"sqrt", UnaryOperator::sqrt},
      {"exp", UnaryOperator::exp},          {"log", UnaryOperator::log},
      {"isnull", UnaryOperator::is_null},   {"isna", UnaryOperator::is_null},
      {"notnull", UnaryOperator::not_null}, {"notna", UnaryOperator::not_null},
  };
  const auto found = unary.find(name);
  return found == unary.end() ? std::nullopt : std::optional(found->second);
}

std::string optional_name(Arguments& arguments) {
  const std::optional<Value> name = arguments.take_named("name");
  return name ? as_string(*name, "name= as a string") : "";
}

std::pair<Window, RollingOptions> rolling_arguments(Arguments& arguments) {
  const Value window = arguments.need("window");
  RollingOptions options;
  if (const auto grace = arguments.take_named("grace"))
    options.grace_ns = parse_offset(as_string(*grace, "grace= as a string like \"2s\""));
  if (const auto min_periods = arguments.take_named("min_periods"))
    options.min_periods = as_integer(*min_periods, "min_periods= as a whole number");
  if (const auto late = arguments.take_named("on_late")) {
    const std::string wanted = "on_late= as \"drop\" or a topic";
    if (const auto* topic = std::get_if<std::shared_ptr<const Topic>>(&late->is))
      options.on_late = *topic;
    else if (as_string(*late, wanted) == "drop")
      options.on_late = DropLate{};
    else
      refuse_text(late->position, fmt::format("wanted {}, found {}", wanted, shown(*late)));
  }
  options.name = optional_name(arguments);
  arguments.done();
  const std::string wanted = "a window as a string like \"10s\" or a number of rows";
  const Scalar scalar = as_scalar(window, wanted);
  if (std::holds_alternative<std::int64_t>(scalar))
    return {Window::of_rows(std::get<std::int64_t>(scalar)), options};
  return {Window::of_text(as_string(window, wanted)), options};
}

std::vector<Scalar> scalars(const Value& value) {
  const List* list = std::get_if<List>(&value.is);
  if (list == nullptr)
    refuse_text(value.position, fmt::format("wanted a list of constants, found {}", shown(value)));
  std::vector<Scalar> result;
  for (const Value& element : *list) result.push_back(as_scalar(element, "a constant"));
  return result;
}

std::optional<Series> bound(const std::optional<Value>& value) {
  if (!value) return std::nullopt;
  const Scalar* scalar = std::get_if<Scalar>(&value->is);
  if (scalar != nullptr && std::holds_alternative<std::monostate>(*scalar)) return std::nullopt;
  return as_series(*value);
}

Series stepped(const Series& series, const std::string& method, Arguments& arguments) {
  const std::optional<Value> value = arguments.take("periods");
  const std::int64_t periods = value ? as_integer(*value, "a whole number of rows") : 1;
  const std::string name = optional_name(arguments);
  return method == "diff" ? series.diff(periods, name) : series.shift(periods, name);
}

Value series_method(const Series& series, const std::string& method, Arguments& arguments) {
  if (method == "rolling") {
    const auto [window, options] = rolling_arguments(arguments);
    return {series.rolling(window, options), arguments.position()};
  }
  std::optional<Series> result;
  if (const auto unary = unary_called(method)) {
    result = series.unary(*unary);
  } else if (method == "fillna") {
    result = series.fillna(as_series(arguments.need("value")));
  } else if (method == "isin") {
    result = series.isin(scalars(arguments.need("values")));
  } else if (method == "between") {
    const Value low = arguments.need("left");
    result = series.between(as_series(low), as_series(arguments.need("right")));
  } else if (method == "clip") {
    const std::optional<Series> lower = bound(arguments.take("lower"));
    result = series.clip(lower, bound(arguments.take("upper")));
  } else if (method == "round") {
    const std::optional<Value> decimals = arguments.take("decimals");
    result = series.round(decimals ? as_integer(*decimals, "a whole number of decimals") : 0);
  } else if (method == "astype") {
    result = series.astype(as_string(arguments.need("dtype"), "a kind as a string, for example \"int64\""));
  } else if (method == "diff" || method == "shift") {
    result = stepped(series, method, arguments);
  } else {
    no_method(arguments, method, "a column",
              "abs sqrt exp log isnull isna notnull notna fillna isin between clip round astype rolling diff "
              "shift str");
  }
  arguments.done();
  return {*std::move(result), arguments.position()};
}

Value string_method(const Series& series, const std::string& method, Arguments& arguments) {
  std::optional<Series> result;
  if (method == "lower") {
    result = series.unary(UnaryOperator::lower);
  } else if (method == "upper") {
    result = series.unary(UnaryOperator::upper);
  } else if (method == "len") {
    result = series.unary(UnaryOperator::length);
  } else if (method == "contains" || method == "startswith" || method == "endswith") {
    const std::string pattern = as_string(arguments.need("pat"), "a string");
    MatchKind kind = method == "startswith" ? MatchKind::starts_with : MatchKind::ends_with;
    if (method == "contains") {
      const std::optional<Value> regex = arguments.take_named("regex");
      kind = regex && !as_boolean(*regex, "regex= as True or False") ? MatchKind::contains_literal
                                                                     : MatchKind::contains_regex;
    }
    result = series.match(kind, pattern);
  } else {
    no_method(arguments, method, ".str", "lower upper len contains startswith endswith");
  }
  arguments.done();
  return {*std::move(result), arguments.position()};
}

template <class RollingOver>
Value rolling_method(const RollingOver& rolling, const std::string& method, Arguments& arguments) {
  const std::optional<Aggregate> aggregate = aggregate_called(method);
  if (!aggregate) no_method(arguments, method, "a rolling window", "mean sum min max count std var");
  const bool has_ddof = *aggregate == Aggregate::std || *aggregate == Aggregate::var;
  const std::optional<Value> ddof = has_ddof ? arguments.take("ddof") : std::nullopt;
  arguments.done();
  return {rolling.aggregate(*aggregate, ddof ? as_integer(*ddof, "ddof= as a whole number") : 1),
          arguments.position()};
}

std::vector<std::pair<std::string, std::string>> renamed(const Value& value) {
  const Dictionary* dictionary = std::get_if<Dictionary>(&value.is);
  if (dictionary == nullptr)
    refuse_text(value.position,
                fmt::format("wanted columns= as {{\"old\": \"new\"}}, found {}", shown(value)));
  std::vector<std::pair<std::string, std::string>> result;
  for (const auto& [from, to] : *dictionary)
    result.emplace_back(from, as_string(to, "the new name as a string"));
  return result;
}

Frame to_topic(const Frame& frame, Arguments& arguments) {
  const Value topic = arguments.need("topic");
  const auto* found = std::get_if<std::shared_ptr<const Topic>>(&topic.is);
  if (found == nullptr)
    refuse_text(topic.position,
                fmt::format("wanted a topic, as app.topic(\"name\"), found {}", shown(topic)));
  const std::optional<Value> key = arguments.take("key");
  arguments.done();
  if (!key) return frame.to_topic(*found);
  if (const Series* series = std::get_if<Series>(&key->is)) return frame.to_topic(*found, *series);
  return frame.to_topic(*found, as_string(*key, "key= as the name of a column, or a column"));
}

Value frame_method(const Frame& frame, const std::string& method, Arguments& arguments) {
  if (method == "rolling") {
    const auto [window, options] = rolling_arguments(arguments);
    return {frame.rolling(window, options), arguments.position()};
  }
  if (method == "to_topic") return {to_topic(frame, arguments), arguments.position()};
  std::optional<Frame> result;
  if (method == "drop") {
    result = frame.drop(as_strings(arguments.need("columns"), "columns= as a list of strings"));
  } else if (method == "rename") {
    result = frame.rename(renamed(arguments.need("columns")));
  } else if (method == "print") {
    const std::optional<Value> width = arguments.take("width");
    const std::optional<Value> live = arguments.take("live");
    result = frame.print(width ? as_integer(*width, "width= as a whole number") : Print{}.width,
                         live && as_boolean(*live, "live= as True or False"));
  } else if (method == "apply" || method == "filter" || method == "update" || method == "map_batches") {
    refuse_text(arguments.position(),
                fmt::format("{} takes a function, and functions have no plan text", method));
  } else if (method == "sink") {
    refuse_text(arguments.position(), "sink takes an object, and sinks have no plan text");
  } else {
    no_method(arguments, method, "a frame", "drop rename rolling to_topic print");
  }
  arguments.done();
  return {*std::move(result), arguments.position()};
}

struct CallMethod {
  const std::shared_ptr<Pipeline>& pipeline;
  const std::string& method;
  Arguments& arguments;

  Value operator()(const Series& series) const { return series_method(series, method, arguments); }
  Value operator()(const Scalar& scalar) const { return series_method(Series(scalar), method, arguments); }
  Value operator()(const StringMethods& strings) const {
    return string_method(strings.series, method, arguments);
  }
  Value operator()(const RollingSeries& rolling) const { return rolling_method(rolling, method, arguments); }
  Value operator()(const RollingFrame& rolling) const { return rolling_method(rolling, method, arguments); }
  Value operator()(const Frame& frame) const { return frame_method(frame, method, arguments); }

  Value operator()(const ApplicationName&) const {
    if (method == "topic") {
      const std::string name = as_string(arguments.need("name"), "the topic's name as a string");
      TopicOptions options = topic_options(arguments);
      arguments.done();
      return {pipeline->topic(name, std::move(options)), arguments.position()};
    }
    if (method != "dataframe") no_method(arguments, method, "app", "topic dataframe");
    const Value topic = arguments.need("topic");
    const auto* found = std::get_if<std::shared_ptr<const Topic>>(&topic.is);
    if (found == nullptr)
      refuse_text(topic.position,
                  fmt::format("wanted a topic, as app.topic(\"name\"), found {}", shown(topic)));
    arguments.done();
    return {pipeline->dataframe(*found), arguments.position()};
  }

  Value operator()(const ModuleName&) const {
    if (method != "where") no_method(arguments, method, "tr", "where");
    const Value condition = arguments.need("condition");
    const Value then = arguments.need("a");
    const Value otherwise = arguments.need("b");
    arguments.done();
    return {Series::where(as_series(condition), as_series(then), as_series(otherwise)), arguments.position()};
  }

  template <class Other>
  Value operator()(const Other& other) const {
    const Value value{other, arguments.position()};
    refuse_text(arguments.position(),
                fmt::format("wanted something with a method {}, found {}", method, shown(value)));
  }
};

}  // namespace

Value call_method(const std::shared_ptr<Pipeline>& pipeline, const Value& receiver, const std::string& method,
                  Arguments& arguments) {
  Value result = std::visit(CallMethod{pipeline, method, arguments}, receiver.is);
  result.position = receiver.position;
  return result;
}

}  // namespace tiderace::plan
