#include "plan/frame.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "columnar/function.h"
#include "columnar/model/versioned_model.h"
#include "plan/sink.h"
#include "plan/text.h"

namespace tiderace::plan {

Series Frame::column(const std::string& name) const {
  return Series::column(pipeline_, node_, name);
}

Frame Frame::project(std::vector<std::string> columns) const {
  if (columns.empty()) throw_error(ErrorKind::plan, "sdf[[]]: name at least one column");
  Frame result = after(pipeline_->append(node_, Project{columns}));
  Selection selection{std::move(columns), {}};
  for (const std::string& name : selection.names) selection.columns.push_back(column(name));
  result.selections_.push_back(std::move(selection));
  return result;
}

Frame Frame::filter(const Series& mask) const {
  mask.require_no_companion();
  const Series::Placed placed = mask.place(pipeline_, node_);
  return after(pipeline_->append(placed.node, Filter{placed.expression}));
}

Frame Frame::assign(const std::string& name, const Series& value) const {
  return assign_all({name}, {value});
}

Frame Frame::assign(const std::string& name, const Frame& value) const {
  pipeline_->mark_used(value.node_);
  if (value.as_series_) return assign(name, *value.as_series_);
  if (value.selections_.empty() || value.selections_[0].names.size() != 1) {
    throw_error(ErrorKind::plan,
                "sdf[{}] = ...: wanted one column, found a frame; name as many columns as it has: "
                "sdf[[\"a\", \"b\"]] = ...",
                quoted(name));
  }
  return assign(std::vector<std::string>{name}, value);
}

Frame Frame::assign(const std::vector<std::string>& names, const Frame& values) const {
  const std::string target = fmt::format("sdf[{}] = ...", quoted_list(names));
  const std::vector<Selection> selections = values.selections(target);
  pipeline_->mark_used(values.node_);
  const Selection* chosen = &selections[0];
  for (const Selection& selection : selections) {
    if (selection.columns[0].base() == node_) chosen = &selection;
  }
  if (chosen->columns.size() != names.size()) {
    throw_error(ErrorKind::plan, "{}: wanted {} columns, found {}", target, names.size(),
                chosen->columns.size());
  }
  return assign_all(names, chosen->columns);
}

/// What the steps from `begin` to `end` set beside a prediction is not assigned to at once, and lost so.
static void refuse_overwritten(const NodePtr& begin, const NodePtr& end,
                               const std::vector<std::string>& names) {
  for (NodePtr node = end; node != begin && node != nullptr; node = node->input) {
    const auto* const step = std::get_if<Predict>(&node->step);
    if (step == nullptr) continue;
    for (const auto& [option, name] :
         {std::pair("version_column", step->version_column),
          std::pair("shadow_column", step->shadow_hidden ? std::string() : step->shadow_output)}) {
      if (name.empty() || std::find(names.begin(), names.end(), name) == names.end()) continue;
      throw_error(
          ErrorKind::plan,
          "sdf[{}] = ...: {}={} is the same column, which would be replaced; give one of them another name",
          quoted_list(names), option, quoted(name));
    }
  }
}

Frame Frame::assign_all(const std::vector<std::string>& names, const std::vector<Series>& values) const {
  std::vector<Assign> assigned;
  NodePtr at = node_;
  for (std::size_t i = 0; i < names.size(); ++i) {
    for (const ColumnReference& read : references(*values[i].expression())) {
      const auto before =
          std::find(names.begin(), names.begin() + static_cast<std::ptrdiff_t>(i), read.path[0]);
      if (read.hidden || before == names.begin() + static_cast<std::ptrdiff_t>(i)) continue;
      throw_error(
          ErrorKind::plan,
          "sdf[{}] = ...: {} reads {}, which the same statement assigns; assign them one after the other",
          quoted_list(names), quoted(names[i]), quoted(read.path[0]));
    }
    Series::Placed placed = values[i].place(pipeline_, node_, std::move(at));
    at = std::move(placed.node);
    assigned.push_back({names[i], false, std::move(placed.expression)});
  }
  std::vector<std::string> all = names;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (const auto& beside = values[i].companion()) {
      const ColumnReference reference{{*beside}, true};
      assigned.push_back({all.emplace_back(names[i] + "-shadow"), false, make_expression(reference)});
    }
  }
  refuse_overwritten(node_, at, all);
  for (Assign& step : assigned) at = pipeline_->append(at, std::move(step));
  return after(at);
}

Frame Frame::drop(std::vector<std::string> columns) const {
  if (columns.empty()) throw_error(ErrorKind::plan, "sdf.drop(columns=[]): name at least one column");
  return after(pipeline_->append(node_, Drop{std::move(columns)}));
}

Frame Frame::rename(std::vector<std::pair<std::string, std::string>> columns) const {
  if (columns.empty()) throw_error(ErrorKind::plan, "sdf.rename(columns={{}}): name at least one column");
  return after(pipeline_->append(node_, Rename{std::move(columns)}));
}

Frame::Selection Frame::own_columns(const std::string& wanted_by) const {
  const auto known = schema();
  if (!known->closed() || known->columns().empty()) {
    throw_error(ErrorKind::plan,
                "{}: the frame's columns are not known when the plan is built; select them first, for "
                "example sdf[[\"a\", \"b\"]]",
                wanted_by);
  }
  Selection selection{known->columns(), {}};
  for (const std::string& name : selection.names) selection.columns.push_back(column(name));
  return selection;
}

std::vector<Frame::Selection> Frame::selections(const std::string& wanted_by) const {
  std::vector<Selection> result = selections_;
  if (result.size() < 2) {
    if (result.empty() || schema()->closed()) result.push_back(own_columns(wanted_by));
  }
  return result;
}

RollingFrame Frame::rolling(const Window& window, const RollingOptions& options) const {
  pipeline_->mark_used(node_);
  return {*this, selections("sdf.rolling(...)"), window, options};
}

Frame::Selection RollingFrame::rolled(const Frame::Selection& selection, Aggregate aggregate,
                                      int ddof) const {
  std::vector<Series> inputs;
  std::vector<ColumnReference> columns;
  for (const Series& column : selection.columns) {
    inputs.push_back(column.as_column());
    columns.push_back(inputs.back().reference());
  }
  Rolling rolling = make_rolling(columns, window_, options_);
  rolling.ddof = ddof;
  for (std::size_t i = 0; i < columns.size(); ++i) rolling.outputs.push_back({i, aggregate, "", true});
  const std::string text = to_text(Step{rolling});
  for (std::size_t i = 0; i < columns.size(); ++i) {
    rolling.outputs[i].name =
        columns.size() == 1 ? text : fmt::format("{}[{}]", text, quoted(selection.names[i]));
  }
  Frame::Selection result{selection.names, {}};
  for (std::size_t i = 0; i < columns.size(); ++i) {
    result.columns.push_back(Series::computed(inputs, rolling, rolling.outputs[i].name, true));
  }
  return result;
}

Frame RollingFrame::aggregate(Aggregate aggregate, std::int64_t ddof) const {
  std::vector<Frame::Selection> results;
  for (const Frame::Selection& selection : selections_)
    results.push_back(rolled(selection, aggregate, checked_ddof(ddof)));
  const Frame::Selection& own = results.back();
  Frame result = frame_.assign_all(own.names, own.columns);
  result.selections_ = std::move(results);
  return result;
}

Frame Frame::row_function(std::shared_ptr<RowFunction> function, const RowFunctionOptions& options,
                          RowMode mode) const {
  ApplyRow step;
  step.function_name = pipeline_->unique_name(function, options.function_name);
  step.function = std::move(function);
  step.mode = mode;
  step.stateful = options.stateful;
  if (options.stateful) {
    step.state_name = options.name.empty() ? fmt::format("apply({})", options.function_name)
                                           : state_name(options.name, "apply", "", {}, "");
  } else if (!options.name.empty()) {
    throw_error(ErrorKind::plan, "name={}: only functions with state have a name; say stateful=True too",
                quoted(options.name));
  }
  Frame result = after(pipeline_->append(node_, step));
  if (mode == RowMode::replace) {
    step.mode = RowMode::value;
    step.output = to_text(Step{step});
    const std::string output = step.output;
    result.as_series_ = Series::computed(pipeline_, node_, std::move(step), output, true);
  }
  return result;
}

Frame Frame::apply(std::shared_ptr<RowFunction> function, const RowFunctionOptions& options) const {
  return row_function(std::move(function), options, RowMode::replace);
}
Frame Frame::filter(std::shared_ptr<RowFunction> function, const RowFunctionOptions& options) const {
  return row_function(std::move(function), options, RowMode::filter);
}
Frame Frame::update(std::shared_ptr<RowFunction> function, const RowFunctionOptions& options) const {
  return row_function(std::move(function), options, RowMode::update);
}

Frame Frame::map_batches(std::shared_ptr<BatchFunction> function, const std::string& function_name) const {
  Selection selection = selections(fmt::format("sdf.map_batches({})", function_name)).front();
  pipeline_->mark_used(node_);
  MapBatches step;
  step.columns = selection.names;
  const bool plain = std::none_of(selection.columns.begin(), selection.columns.end(),
                                  [](const Series& column) { return column.as_column().reference().hidden; });
  if (!plain) selection = own_columns("sdf.map_batches");
  step.function_name = pipeline_->unique_name(function, function_name);
  step.function = std::move(function);
  Frame result = after(pipeline_->append(node_, step));
  step.output = step.function_name;  // any: the text of a step with an output is that of a value
  step.output = to_text(Step{step});
  const std::string output = step.output;
  result.as_series_ = Series::computed(selection.columns, std::move(step), output, false);
  return result;
}

std::vector<Feature> Frame::features_of(const Selection& selection) {
  std::vector<Feature> features;
  for (std::size_t i = 0; i < selection.names.size(); ++i)
    features.push_back({selection.names[i], selection.columns[i].kinds()});
  return features;
}

void Frame::check_features(const PlannedModel& model, const std::vector<Feature>& features) {
  if (model.versions) return model.versions->require(model.method, features);
  if (const auto mismatch = model.model->mismatch(features)) throw Error(ErrorKind::plan, *mismatch);
}

std::string Frame::unique_name(const PlannedModel& model) const {
  return model.versions ? pipeline_->unique_name(model.versions, model.name)
                        : pipeline_->unique_name(model.model, model.name);
}

/// The columns that a prediction sets beside its own replace no feature, nor each other.
static void check_beside(const PredictOptions& options, const std::vector<std::string>& features) {
  for (const auto& [option, name] : {std::pair("version_column", &options.version_column),
                                     std::pair("shadow_column", &options.shadow_column)}) {
    if (!name->empty() && std::find(features.begin(), features.end(), *name) != features.end())
      throw_error(ErrorKind::plan,
                  "{}={}: that is a feature of the model, which would be replaced; take another name", option,
                  quoted(*name));
  }
  if (!options.version_column.empty() && options.version_column == options.shadow_column)
    throw_error(ErrorKind::plan, "version_column and shadow_column: wanted two names, found {} twice",
                quoted(options.version_column));
}

Series Frame::predict(PlannedModel model, PredictOptions options) const {
  const Selection selection =
      selections(fmt::format("load_model({}).predict(sdf)", quoted(model.name))).front();
  pipeline_->mark_used(node_);
  if (!options.version_column.empty() && !model.versions) {
    throw_error(
        ErrorKind::plan,
        "version_column={}: {} is a file or an object and has no version; publish it to a registry, or "
        "leave version_column out",
        quoted(options.version_column), model.name);
  }
  if (!options.shadow_column.empty() && !options.shadow)
    throw_error(ErrorKind::plan, "shadow_column={}: there is no shadow=", quoted(options.shadow_column));
  check_beside(options, selection.names);
  Predict step;
  step.model = std::move(model);
  step.model.name = unique_name(step.model);
  step.pass_nulls = options.pass_nulls;
  step.version_column = std::move(options.version_column);
  step.shadow = std::move(options.shadow);
  if (step.shadow) step.shadow->name = unique_name(*step.shadow);
  step.shadow_hidden = options.shadow_column.empty();
  step.shadow_output = std::move(options.shadow_column);
  std::vector<Series> inputs;
  for (const Series& column : selection.columns) {
    inputs.push_back(column.as_column());
    step.features.push_back(inputs.back().reference());
  }
  step.feature_names = selection.names;
  check_features(step.model, features_of(selection));
  if (step.shadow) check_features(*step.shadow, features_of(selection));
  const std::string output = to_text(Step{step});
  step.output = output;
  std::optional<std::string> beside;
  if (step.shadow && step.shadow_hidden) step.shadow_output = beside.emplace(output + " shadow");
  return Series::computed(inputs, std::move(step), output, false).with_companion(std::move(beside));
}

Frame Frame::write(std::shared_ptr<const Topic> topic, const NodePtr& node,
                   std::optional<ColumnReference> key) const {
  if (topic == nullptr)
    throw Error(ErrorKind::plan, "sdf.to_topic: wanted a topic, found none; make one with app.topic(name)");
  const auto& topics = pipeline_->topics();
  if (std::find(topics.begin(), topics.end(), topic) == topics.end()) {
    throw_error(ErrorKind::plan, "sdf.to_topic({}): the topic is another application's", to_text(*topic));
  }
  pipeline_->add_end(node, ToTopic{std::move(topic), std::move(key)});
  pipeline_->mark_used(node_);
  return *this;
}

Frame Frame::to_topic(std::shared_ptr<const Topic> topic, const std::optional<std::string>& key) const {
  std::optional<ColumnReference> column;
  if (key) column = ColumnReference{{*key}};
  return write(std::move(topic), node_, std::move(column));
}

Frame Frame::to_topic(std::shared_ptr<const Topic> topic, const Series& key) const {
  const Series column = key.as_column();
  const Series::Placed placed = column.place(pipeline_, node_);
  return write(std::move(topic), placed.node, column.reference());
}

Frame Frame::to_topic(std::shared_ptr<const Topic> topic, const Frame& key) const {
  if (!key.as_series_) {
    throw_error(
        ErrorKind::plan,
        "sdf.to_topic({}, key=...): wanted a column or a function, found a frame; name one of its columns",
        to_text(*topic));
  }
  pipeline_->mark_used(key.node_);
  return to_topic(std::move(topic), *key.as_series_);
}

Frame Frame::sink(std::shared_ptr<SinkConnector> sink) const {
  for (const NodePtr& end : pipeline_->ends()) {
    const auto* other = std::get_if<ToSink>(&end->step);
    if (other == nullptr || other->sink == sink || other->sink->name() != sink->name()) continue;
    throw_error(ErrorKind::plan,
                "sdf.sink({}): another sink is called {} too, and under that name the offsets are kept of "
                "what is written; give one of them a name=, or use one sink for both",
                sink->text(), quoted(sink->name()));
  }
  pipeline_->add_end(node_, ToSink{std::move(sink)});
  pipeline_->mark_used(node_);
  return *this;
}

Frame Frame::print(std::int64_t width, bool live) const {
  constexpr std::int64_t widest = 1000;
  if (width < 1 || width > widest)
    throw_error(ErrorKind::plan, "sdf.print(width={}): wanted 1 to {}", width, widest);
  pipeline_->add_end(node_, Print{static_cast<int>(width), live});
  pipeline_->mark_used(node_);
  return *this;
}

}  // namespace tiderace::plan
