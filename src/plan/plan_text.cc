#include "plan/plan_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "plan/text.h"

namespace tiderace {
namespace {

bool is_hidden(const Step& step) {
  struct Hidden {
    bool operator()(const Assign& step) const { return step.hidden; }
    bool operator()(const Rolling& step) const {
      return std::all_of(step.outputs.begin(), step.outputs.end(),
                         [](const Rolling::Output& output) { return output.hidden; });
    }
    bool operator()(const Shift& step) const { return step.hidden; }
    bool operator()(const ApplyRow& step) const { return step.mode == RowMode::value && step.hidden; }
    bool operator()(const ApplyValue& step) const { return step.hidden; }
    bool operator()(const MapBatches& step) const { return !step.output.empty() && step.hidden; }
    bool operator()(const Predict& step) const { return step.hidden; }
    bool operator()(const Source&) const { return false; }
    bool operator()(const Filter&) const { return false; }
    bool operator()(const Project&) const { return false; }
    bool operator()(const Drop&) const { return false; }
    bool operator()(const Rename&) const { return false; }
    bool operator()(const ToTopic&) const { return false; }
    bool operator()(const ToSink&) const { return false; }
    bool operator()(const Print&) const { return false; }
  };
  return std::visit(Hidden{}, step);
}

/// The hidden column that an assignment copies whole, or null.
const std::string* copied(const Node& node) {
  const Assign* assign = std::get_if<Assign>(&node.step);
  const ColumnReference* reference =
      assign == nullptr ? nullptr : std::get_if<ColumnReference>(&assign->value->node);
  return reference != nullptr && reference->hidden ? &reference->path[0] : nullptr;
}

/// How many of the nodes from `begin` on set the columns of one rolling over several columns, in order; 0 if
/// they do not.
std::size_t joint_assignments(const std::vector<NodePtr>& path, std::size_t begin, const Rolling& rolling) {
  const std::size_t count = rolling.outputs.size();
  if (count < 2 || begin + count > path.size()) return 0;
  for (std::size_t i = 0; i < count; ++i) {
    const std::string* name = copied(*path[begin + i]);
    if (name == nullptr || *name != rolling.outputs[i].name) return 0;
  }
  return count;
}

/// The statements along one path from a source, each as its text and its nodes.
std::vector<PlanLine> statements(const std::vector<NodePtr>& path) {
  std::unordered_map<std::string, const Rolling*> rolled;  // by the name of the first output
  std::vector<PlanLine> lines;
  std::vector<NodePtr> waiting;  // hidden steps before the statement that they are for
  for (std::size_t i = 0; i < path.size(); ++i) {
    const NodePtr& node = path[i];
    waiting.push_back(node);
    if (is_hidden(node->step)) {
      const Rolling* rolling = std::get_if<Rolling>(&node->step);
      if (rolling != nullptr && rolling->outputs.size() > 1) rolled[rolling->outputs[0].name] = rolling;
      continue;
    }
    PlanLine line{to_text(node->step), {}, 0};
    const std::string* first = copied(*node);
    const auto found = first == nullptr ? rolled.end() : rolled.find(*first);
    const std::size_t joint = found == rolled.end() ? 0 : joint_assignments(path, i, *found->second);
    if (joint > 0) {
      std::vector<std::string> names;
      for (std::size_t k = 0; k < joint; ++k) names.push_back(std::get<Assign>(path[i + k]->step).name);
      for (std::size_t k = 1; k < joint; ++k) waiting.push_back(path[++i]);
      line.text = fmt::format("sdf[{}] = {}", quoted_list(names), to_text(Step{*found->second}));
    }
    line.nodes = std::move(waiting);
    waiting.clear();
    lines.push_back(std::move(line));
  }
  for (const NodePtr& node : waiting) lines.push_back({to_text(node->step), {node}, 0});
  return lines;
}

std::vector<NodePtr> path_to(const NodePtr& end) {
  std::vector<NodePtr> path;
  for (NodePtr at = end; at != nullptr; at = at->input) path.push_back(at);
  std::reverse(path.begin(), path.end());
  return path;
}

bool is_end(const Step& step) {
  return std::holds_alternative<ToTopic>(step) || std::holds_alternative<ToSink>(step) ||
         std::holds_alternative<Print>(step);
}

}  // namespace

std::vector<PlanLine> plan_lines(std::span<const NodePtr> ends) {
  std::vector<PlanLine> lines;
  std::unordered_map<const Node*, std::size_t> number;  // of the line whose last node it is
  for (const NodePtr& end : ends) {
    std::size_t after = 0;
    for (PlanLine& line : statements(path_to(end))) {
      const auto [at, fresh] = number.try_emplace(line.nodes.back().get(), lines.size() + 1);
      if (fresh) {
        line.after = after;
        lines.push_back(std::move(line));
      }
      after = at->second;
    }
  }
  return lines;
}

std::string explain_plan(std::span<const NodePtr> ends) {
  std::string out;
  const std::vector<PlanLine> lines = plan_lines(ends);
  std::size_t frame = 0;  // the line whose frame the variable holds
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const PlanLine& line = lines[i];
    if (line.after != frame && line.after != 0) out += fmt::format("   after step {}:\n", line.after);
    out += fmt::format("{:>3}  {}\n", i + 1, line.text);
    frame = is_end(line.nodes.back()->step) ? line.after : i + 1;
  }
  return out;
}

std::string plan_text(std::span<const NodePtr> ends) {
  std::string out;
  const Node* frame = nullptr;  // what the variable holds
  for (const NodePtr& end : ends) {
    const std::vector<PlanLine> lines = statements(path_to(end));
    std::size_t begin = 0;
    for (std::size_t i = 0; i < lines.size(); ++i) {
      if (lines[i].nodes.back().get() == frame) begin = i + 1;
    }
    for (std::size_t i = begin; i < lines.size(); ++i) {
      out += lines[i].text + "\n";
      const Node* last = lines[i].nodes.back().get();
      frame = is_end(last->step) ? last->input.get() : last;
    }
  }
  return out;
}

}  // namespace tiderace
