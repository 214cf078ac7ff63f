#include "plan/pipeline.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_set>

#include "base/error.h"
#include "plan/frame.h"
#include "plan/text.h"
#include "plan/topic.h"

namespace tiderace::plan {
namespace {

constexpr std::size_t most_nodes = 20'000;

const void* address(const OnLate& on_late) {
  const auto* function = std::get_if<std::shared_ptr<RowFunction>>(&on_late);
  return function == nullptr ? nullptr : function->get();
}

/// What the text of a step leaves out.
struct Identity {
  std::string operator()(const Assign& step) const { return fmt::format("{} {}", step.hidden, step.name); }
  std::string operator()(const Rolling& step) const {
    std::string out = fmt::format("{} {}", step.state_name, address(step.on_late));
    for (const ColumnReference& column : step.columns) out += to_text(column);
    for (const Rolling::Output& output : step.outputs) {
      out +=
          fmt::format(" {} {} {} {}", output.column, to_string(output.aggregate), output.hidden, output.name);
    }
    return out;
  }
  std::string operator()(const Shift& step) const {
    return fmt::format("{} {} {}", step.state_name, step.hidden, step.output);
  }
  std::string operator()(const ApplyRow& step) const {
    return fmt::format("{} {} {} {} {}", static_cast<const void*>(step.function.get()), step.stateful,
                       step.state_name, step.hidden, step.output);
  }
  std::string operator()(const ApplyValue& step) const {
    return fmt::format("{} {} {}", static_cast<const void*>(step.function.get()), step.hidden, step.output);
  }
  std::string operator()(const MapBatches& step) const {
    return fmt::format("{} {} {}", static_cast<const void*>(step.function.get()), step.hidden, step.output);
  }
  std::string operator()(const Predict& step) const {
    std::string out = fmt::format("{} {} {}", model_identity(step.model), step.hidden, step.output);
    if (step.shadow) out += fmt::format(" {} {}", model_identity(*step.shadow), step.shadow_output);
    return out;
  }
  std::string operator()(const Source& step) const {
    return fmt::format("{}", static_cast<const void*>(step.topic.get()));
  }
  std::string operator()(const ToTopic& step) const {
    return fmt::format("{}", static_cast<const void*>(step.topic.get()));
  }
  std::string operator()(const ToSink& step) const {
    return fmt::format("{}", static_cast<const void*>(step.sink.get()));
  }
  std::string operator()(const Filter&) const { return {}; }
  std::string operator()(const Project&) const { return {}; }
  std::string operator()(const Drop&) const { return {}; }
  std::string operator()(const Rename&) const { return {}; }
  std::string operator()(const Print&) const { return {}; }
};

struct HiddenOutputs {
  std::vector<std::string> operator()(const Assign& step) const { return {step.name}; }
  std::vector<std::string> operator()(const Rolling& step) const {
    std::vector<std::string> names;
    for (const Rolling::Output& output : step.outputs) names.push_back(output.name);
    return names;
  }
  std::vector<std::string> operator()(const Shift& step) const { return {step.output}; }
  std::vector<std::string> operator()(const ApplyRow& step) const { return {step.output}; }
  std::vector<std::string> operator()(const ApplyValue& step) const { return {step.output}; }
  std::vector<std::string> operator()(const MapBatches& step) const { return {step.output}; }
  std::vector<std::string> operator()(const Predict& step) const {
    std::vector<std::string> names = {step.output};
    if (step.shadow && step.shadow_hidden) names.push_back(step.shadow_output);
    return names;
  }
  template <class Other>
  std::vector<std::string> operator()(const Other&) const {
    return {};
  }
};

}  // namespace

std::shared_ptr<Pipeline> Pipeline::make() {
  return std::shared_ptr<Pipeline>(new Pipeline());
}

std::shared_ptr<const Topic> Pipeline::topic(const std::string& name, TopicOptions options) {
  check_topic(name, options);
  const auto found =
      std::find_if(topics_.begin(), topics_.end(), [&](const auto& topic) { return topic->name == name; });
  if (found == topics_.end())
    return topics_.emplace_back(std::make_shared<const Topic>(Topic{name, std::move(options)}));
  if (same_options((*found)->options, options)) return *found;
  throw_error(ErrorKind::plan,
              "{}: the topic was asked for before with other options, as {}; keep the first topic in a "
              "variable and use it",
              topic_text(name, options), to_text(**found));
}

Frame Pipeline::dataframe(const std::shared_ptr<const Topic>& topic) {
  if (topic == nullptr)
    throw Error(ErrorKind::plan, "app.dataframe: wanted a topic, found none; make one with app.topic(name)");
  if (std::find(topics_.begin(), topics_.end(), topic) == topics_.end()) {
    throw_error(ErrorKind::plan, "app.dataframe({}): the topic is another application's", to_text(*topic));
  }
  return frame(append(nullptr, Source{topic}));
}

Frame Pipeline::frame(NodePtr node) {
  add_frame(node);
  return Frame(shared_from_this(), std::move(node));
}

NodePtr Pipeline::append(const NodePtr& input, Step step) {
  const std::string identity = fmt::format("{} {} | {}", static_cast<const void*>(input.get()), to_text(step),
                                           std::visit(Identity{}, step));
  const auto found = nodes_.find(identity);
  if (found != nodes_.end()) return found->second;
  if (nodes_.size() >= most_nodes)
    throw_error(ErrorKind::plan, "an application has at most {} steps", most_nodes);
  auto node = std::make_shared<const Node>(Node{std::move(step), input});
  (void)schemas_.of(node);
  nodes_.emplace(identity, node);
  return node;
}

NodePtr Pipeline::append_once(const NodePtr& input, const Step& step) {
  NodePtr node = append(input, step);
  const std::shared_ptr<const NodeSchema> before = schemas_.of(input);
  const std::shared_ptr<const NodeSchema> after = schemas_.of(node);
  if (before->rows() != after->rows()) return node;
  for (const std::string& name : std::visit(HiddenOutputs{}, step)) {
    const auto known = before->hidden().find(name);
    if (known == before->hidden().end() || known->second.definition != after->hidden().at(name).definition)
      return node;
  }
  return input;
}

void Pipeline::add_end(const NodePtr& input, Step step) {
  auto node = std::make_shared<const Node>(Node{std::move(step), input});
  (void)schemas_.of(node);
  std::vector<NodePtr> ends = ends_;
  ends.push_back(node);
  schemas_.check_states(ends);
  ends_ = std::move(ends);
}

std::vector<NodePtr> Pipeline::unused() const {
  std::unordered_set<const Node*> read;
  const auto mark = [&read](const Node* node) {
    for (; node != nullptr && read.insert(node).second; node = node->input.get()) {
    }
  };
  for (const NodePtr& end : ends_) mark(end.get());
  for (const NodePtr& node : used_) mark(node.get());
  for (const NodePtr& frame : frames_) mark(frame->input.get());
  std::vector<NodePtr> result;
  for (const NodePtr& frame : frames_) {
    if (read.insert(frame.get()).second) result.push_back(frame);
  }
  return result;
}

std::string Pipeline::unique_name(const std::shared_ptr<const void>& function, const std::string& name) {
  std::vector<std::shared_ptr<const void>>& named = functions_[name];
  const auto found = std::find(named.begin(), named.end(), function);
  const auto number = found - named.begin() + 1;
  if (found == named.end()) named.push_back(function);
  return number == 1 ? name : fmt::format("{}#{}", name, number);
}

}  // namespace tiderace::plan
