#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <limits>

#include "base/error.h"
#include "plan/offset.h"
#include "plan/series.h"
#include "plan/text.h"

namespace tiderace::plan {
namespace {

constexpr std::int64_t most_rows = 1'000'000'000;

/// `x`, or the whole text of what is not one plain name.
std::string short_text(const ColumnReference& column) {
  const std::string& name = column.path[0];
  const auto plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '.';
  };
  const bool is_plain = !column.hidden && column.path.size() == 1 && !name.empty() &&
                        std::all_of(name.begin(), name.end(), plain);
  return is_plain ? name : to_text(column);
}

}  // namespace

Window Window::of_text(std::string_view offset) {
  return {true, parse_offset(offset)};
}

std::string state_name(const std::string& given, std::string_view kind, const std::string& window,
                       const std::vector<ColumnReference>& columns, const std::string& rest) {
  if (!given.empty()) {
    for (const std::string_view reserved : {"rolling(", "shift(", "diff(", "apply("}) {
      if (given.starts_with(reserved)) {
        throw_error(ErrorKind::plan, "name={}: names that begin with {} are those of steps without a name",
                    quoted(given), reserved);
      }
    }
    return given;
  }
  std::vector<std::string> texts;
  for (const ColumnReference& column : columns) texts.push_back(short_text(column));
  const std::string all = texts.size() == 1 ? texts[0] : fmt::format("[{}]", fmt::join(texts, ", "));
  return fmt::format("{}({}, {}{})", kind, window, all, rest);
}

int checked_ddof(std::int64_t ddof) {
  if (ddof < 0 || ddof > most_rows) throw_error(ErrorKind::plan, "ddof={}: wanted 0 or more", ddof);
  return static_cast<int>(ddof);
}

Rolling make_rolling(std::vector<ColumnReference> columns, const Window& window,
                     const RollingOptions& options) {
  const std::string size =
      window.by_time ? quoted(format_offset(window.size)) : fmt::format("{}", window.size);
  const auto refuse = [&](const std::string& what) {
    throw_error(ErrorKind::plan, "{}.rolling({}): {}",
                columns.size() == 1 ? receiver(columns[0]) : "sdf[[...]]", size, what);
  };
  if (window.size <= 0) {
    refuse(window.by_time ? "the window must be longer than 0, for example \"10s\""
                          : "the window must be 1 row or more");
  }
  if (window.by_time && window.size > max_window_ns)
    refuse(fmt::format("the window is at most {}", format_offset(max_window_ns)));
  if (!window.by_time && window.size > most_rows)
    refuse(fmt::format("the window is at most {} rows", most_rows));
  if (options.grace_ns < 0)
    refuse(fmt::format("grace={} is negative", quoted(format_offset(options.grace_ns))));
  if (options.grace_ns > max_window_ns)
    refuse(fmt::format("grace is at most {}", format_offset(max_window_ns)));
  if (options.grace_ns != 0 && !window.by_time)
    refuse("grace= is for windows over time; rows are counted as they arrive");
  if (!window.by_time && !std::holds_alternative<KeepLate>(options.on_late)) {
    refuse("on_late= is for windows over time; no row is late where rows are counted");
  }
  if (const auto* topic = std::get_if<std::shared_ptr<const Topic>>(&options.on_late); topic && !*topic)
    refuse("on_late= wanted a topic, found none; make one with app.topic(name)");
  const std::int64_t min_periods = options.min_periods.value_or(window.by_time ? 1 : window.size);
  if (min_periods < 0) refuse(fmt::format("min_periods={} is negative", min_periods));
  if (!window.by_time && min_periods > window.size) {
    refuse(fmt::format("min_periods={} is more than the window of {} rows", min_periods, window.size));
  }
  if (min_periods > most_rows) refuse(fmt::format("min_periods is at most {}", most_rows));
  Rolling rolling;
  rolling.by_time = window.by_time;
  rolling.window = window.size;
  rolling.grace_ns = options.grace_ns;
  rolling.min_periods = static_cast<int>(min_periods);
  rolling.on_late = options.on_late;
  const std::string grace = options.grace_ns == 0 ? "0" : quoted(format_offset(options.grace_ns));
  rolling.state_name =
      state_name(options.name, "rolling", size, columns, window.by_time ? ", grace=" + grace : "");
  rolling.columns = std::move(columns);
  return rolling;
}

const ColumnReference& Series::reference() const {
  const ColumnReference* column = std::get_if<ColumnReference>(&expression_->node);
  TIDERACE_CHECK(column != nullptr);
  return *column;
}

Series Series::as_column() const {
  if (std::holds_alternative<ColumnReference>(expression_->node)) return *this;
  if (base_ == nullptr)
    throw_error(ErrorKind::plan, "{}: wanted a column of a frame, found a constant", to_text());
  const std::string name = to_text();
  return computed({*this}, Assign{name, true, expression_}, name, false);
}

Series Series::computed(const std::vector<Series>& inputs, Step step, const std::string& output, bool bound) {
  std::vector<const Series*> pointers;
  for (const Series& input : inputs) pointers.push_back(&input);
  Series result = over(pointers, "step");
  TIDERACE_CHECK(result.base_ != nullptr);
  result.add_step(std::move(step));
  result.bound_ = result.bound_ || bound;
  result.depth_ = 1;
  constexpr std::size_t characters_a_part = 16;
  result.size_ = 1 + output.size() / characters_a_part;
  return std::move(result).with({ColumnReference{{output}, true}});
}

Series Series::computed(std::shared_ptr<Pipeline> pipeline, const NodePtr& base, Step step,
                        const std::string& output, bool bound) {
  Series result;
  result.pipeline_ = std::move(pipeline);
  result.base_ = base;
  result.at_ = base;
  result.bound_ = bound;
  result.add_step(std::move(step));
  return std::move(result).with({ColumnReference{{output}, true}});
}

RollingSeries Series::rolling(const Window& window, const RollingOptions& options) const {
  Series input = as_column();
  Rolling rolling = make_rolling({input.reference()}, window, options);
  return {std::move(input), std::move(rolling)};
}

Series RollingSeries::aggregate(Aggregate aggregate, std::int64_t ddof) const {
  Rolling rolling = rolling_;
  rolling.ddof = checked_ddof(ddof);
  rolling.outputs.push_back({0, aggregate, "", true});
  const std::string name = tiderace::to_text(Step{rolling});
  rolling.outputs[0].name = name;
  return Series::computed({input_}, std::move(rolling), name, true);
}

Series Series::shifted(std::int64_t periods, bool difference, const std::string& name) const {
  const std::string_view method = difference ? "diff" : "shift";
  const Series input = as_column();
  if (periods < 0) {
    throw_error(ErrorKind::plan,
                "{}.{}({}): a stream cannot look at rows that are still to come (pandas can); wanted 0 or "
                "more, found {}",
                receiver(input.reference()), method, periods, periods);
  }
  if (periods > most_rows)
    throw_error(ErrorKind::plan, "{}.{}({}): at most {} rows", receiver(input.reference()), method, periods,
                most_rows);
  if (periods == 0) return difference ? binary(BinaryOperator::subtract, *this) : *this;
  Shift step;
  step.column = input.reference();
  step.periods = periods;
  step.difference = difference;
  step.state_name = state_name(name, method, fmt::format("{}", periods), {step.column}, "");
  step.output = tiderace::to_text(Step{step});
  const std::string output = step.output;
  return computed({input}, std::move(step), output, true);
}

Series Series::diff(std::int64_t periods, const std::string& name) const {
  return shifted(periods, true, name);
}
Series Series::shift(std::int64_t periods, const std::string& name) const {
  return shifted(periods, false, name);
}

Series Series::apply(std::shared_ptr<ValueFunction> function, const std::string& function_name) const {
  const Series input = as_column();
  ApplyValue step;
  step.column = input.reference();
  step.function_name = pipeline_->unique_name(function, function_name);
  step.function = std::move(function);
  step.output = tiderace::to_text(Step{step});
  const std::string output = step.output;
  return computed({input}, std::move(step), output, false);
}

}  // namespace tiderace::plan
