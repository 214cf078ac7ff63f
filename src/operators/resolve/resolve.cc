#include "operators/resolve/resolve.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <unordered_map>

#include "base/error.h"
#include "columnar/aggregate.h"
#include "operators/resolve/scope.h"
#include "plan/offset.h"

namespace tiderace {
namespace {

template <class... Handlers>
struct Visitor : Handlers... {
  using Handlers::operator()...;
};
template <class... Handlers>
Visitor(Handlers...) -> Visitor<Handlers...>;

/// A point of the plan that is resolved already: the physical step whose rows it has, and its columns.
struct Resolved {
  std::size_t step;
  Scope scope;
  std::vector<std::size_t> models = {};  ///< on the way here
};

class Resolver {
 public:
  explicit Resolver(std::vector<std::string> table_columns, bool from_table)
      : table_columns_(std::move(table_columns)), from_table_(from_table) {}

  /// Resolves `node` and everything before it, each node once.
  Resolved& resolve(const NodePtr& node) {
    const auto known = resolved_.find(node.get());
    if (known != resolved_.end()) return known->second;
    if (!node->input) return resolved_.emplace(node.get(), source(node)).first->second;
    Resolved point = resolve(node->input);  // a copy: this node's own scope
    try {
      std::visit([&](const auto& step) { add(node, step, point); }, node->step);
    } catch (const Error& error) {
      const std::string text = to_text(node->step);
      if (std::string_view(error.what()).starts_with(text)) throw;
      throw error.within(text);
    }
    return resolved_.emplace(node.get(), std::move(point)).first->second;
  }

  ResolvedStage finish() {
    for (ResolvedStep& step : stage_.steps) {
      if (step.reads == SIZE_MAX || step.number == 0) continue;
      for (const JsonField& field : stage_.reads[step.reads].fields) step.outputs.push_back(field.slot);
    }
    for (ResolvedStep& step : stage_.steps) {
      for (const Slot slot : step.inputs) step.input_kinds.push_back(known(slot));
    }
    for (std::size_t i = 1; i < stage_.steps.size(); ++i)
      stage_.steps[stage_.steps[i].input].children.push_back(i);
    for (std::size_t i = stage_.steps.size(); i-- > 0;) find_live(i);
    for (ResolvedStep& step : stage_.steps) step.live_before = stage_.steps[step.input].live;
    return std::move(stage_);
  }

  ResolvedStage& stage() { return stage_; }
  const std::vector<std::string>& table_columns() const { return table_columns_; }

 private:
  Resolved source(const NodePtr& node) {
    stage_.topic = std::get<Source>(node->step).topic;
    stage_.reads.emplace_back();
    Scope scope = from_table_ ? Scope::of_table(table_columns_) : Scope(0);
    read_declared(scope);
    ResolvedStep& step = new_step(node, 0);
    step.reads = 0;
    return {0, std::move(scope)};
  }

  void read_declared(Scope& scope) {
    const TopicOptions& options = stage_.topic->options;
    for (const auto& [name, kind] : options.schema) {
      if (from_table_ &&
          std::find(table_columns_.begin(), table_columns_.end(), name) == table_columns_.end())
        continue;
      const Slot slot = scope.slot_of(ColumnReference{{name}, false}, stage_);
      for (JsonField& field : stage_.reads[0].fields) {
        if (field.slot == slot) field.declared = kind_named(kind);
        known_[slot] = mask_of(kind_named(kind));
      }
    }
    if (options.timestamp && !from_table_)
      stage_.timestamp = scope.slot_of(ColumnReference{{*options.timestamp}, false}, stage_);
  }

  static Kind kind_named(const std::string& name) {
    if (name == "int64") return Kind::int64;
    if (name == "float64") return Kind::float64;
    if (name == "string") return Kind::string;
    if (name == "bool") return Kind::boolean;
    throw_error(ErrorKind::plan,
                "wanted one of int64, float64, string, bool as a declared kind, found \"{}\"", name);
  }

  ResolvedStep& new_step(const NodePtr& node, std::size_t input) {
    ResolvedStep step;
    step.node = node;
    step.number = static_cast<int>(stage_.steps.size());
    step.text = to_text(node->step);
    step.input = input;
    stage_.steps.push_back(std::move(step));
    return stage_.steps.back();
  }

  Slot new_slot() { return static_cast<Slot>(stage_.slots++); }

  /// A new physical step behind `point`; `point` moves on to it.
  ResolvedStep& step_after(Resolved& point, const NodePtr& node) {
    ResolvedStep& step = new_step(node, point.step);
    point.step = stage_.steps.size() - 1;
    return step;
  }

  std::shared_ptr<const Evaluator> evaluator(const ExpressionPtr& expression, Scope& scope,
                                             std::vector<Slot>& inputs) {
    for (const ColumnReference& reference : references(*expression))
      inputs.push_back(scope.slot_of(reference, stage_));
    return std::make_shared<const Evaluator>(
        expression, [&](const ColumnReference& reference) { return scope.slot_of(reference, stage_); });
  }

  static void set(Scope& scope, const std::string& name, bool hidden, Slot slot) {
    if (hidden)
      scope.assign_hidden(name, slot);
    else
      scope.assign(name, slot);
  }

  /// What is known of the kind of a slot: declared, or what the step that sets it can give.
  KindMask known(Slot slot) const {
    const auto found = known_.find(slot);
    return found == known_.end() ? any_mask : found->second;
  }

  class ScopeKinds final : public KnownKinds {
   public:
    ScopeKinds(Resolver& resolver, Scope& scope) : resolver_(resolver), scope_(scope) {}
    [[nodiscard]] KindMask of(const ColumnReference& reference) const override {
      return resolver_.known(scope_.slot_of(reference, resolver_.stage_));
    }

   private:
    Resolver& resolver_;
    Scope& scope_;
  };

  /// `layout`: whatever the stored bytes depend on. Returns what the state is stored under.
  std::string keep_state(const std::string& name, const std::string& layout) {
    stage_.needs_keys = true;
    if (!state_names_.insert(name).second) {
      throw_error(ErrorKind::plan, "two steps would share the state {}; give one of them a name=", name);
    }
    const std::string_view method = std::string_view(layout).substr(0, layout.find('(') + 1);
    const std::string state = name.starts_with(method) ? name : name + ": " + layout;
    stage_.states.push_back(state);
    return state;
  }

  void add(const NodePtr&, const Source&, Resolved&) { TIDERACE_CHECK(false); }

  void add(const NodePtr& node, const Filter& filter, Resolved& point) {
    std::vector<Slot> inputs;
    auto condition = evaluator(filter.condition, point.scope, inputs);
    ResolvedStep& step = step_after(point, node);
    step.inputs = std::move(inputs);
    step.evaluator = std::move(condition);
  }

  void add(const NodePtr& node, const Assign& assign, Resolved& point) {
    const auto* reference = std::get_if<ColumnReference>(&assign.value->node);
    const KindMask kinds = infer_kinds(*assign.value, ScopeKinds(*this, point.scope));
    const bool int64_only = declared_int64(assign) && (kinds & mask_of(Kind::int64)) != 0;
    if (reference != nullptr && reference->hidden && !int64_only) {  // it is there already, and gets a name
      set(point.scope, assign.name, assign.hidden, point.scope.slot_of(*reference, stage_));
      return;
    }
    std::vector<Slot> inputs;
    auto value = evaluator(assign.value, point.scope, inputs);
    const Slot slot = new_slot();
    known_[slot] = kinds;
    ResolvedStep& step = step_after(point, node);
    step.inputs = std::move(inputs);
    step.evaluator = std::move(value);
    step.outputs = {slot};
    step.int64_only = int64_only;
    set(point.scope, assign.name, assign.hidden, slot);
  }

  bool declared_int64(const Assign& assign) const {
    const auto& schema = stage_.topic->options.schema;
    const auto declared = schema.find(assign.name);
    return !assign.hidden && declared != schema.end() && kind_named(declared->second) == Kind::int64;
  }

  void add(const NodePtr&, const Project& project, Resolved& point) {
    point.scope.project(project.columns, stage_);
  }

  void add(const NodePtr&, const Drop& drop, Resolved& point) {
    for (const std::string& name : drop.columns) point.scope.drop(name);
  }

  void add(const NodePtr&, const Rename& rename, Resolved& point) { point.scope.rename(rename.columns); }

  std::vector<Slot> slots_of(const std::vector<ColumnReference>& columns, Scope& scope) {
    std::vector<Slot> slots;
    for (const ColumnReference& column : columns) slots.push_back(scope.slot_of(column, stage_));
    return slots;
  }

  void add(const NodePtr& node, const Rolling& rolling, Resolved& point) {
    std::vector<Slot> inputs = slots_of(rolling.columns, point.scope);
    ResolvedStep* step = shared_buffer(rolling, inputs, point.step);
    if (step == nullptr) {
      const std::string size =
          rolling.by_time ? format_offset(rolling.window) : std::to_string(rolling.window);
      const std::string state =
          keep_state(rolling.state_name, fmt::format("rolling({}, columns={}, grace={})", size, inputs.size(),
                                                     format_offset(rolling.grace_ns)));
      const bool whole_rows = !std::holds_alternative<KeepLate>(rolling.on_late) &&
                              !std::holds_alternative<DropLate>(rolling.on_late);
      RowLayout layout = whole_rows ? point.scope.layout(stage_) : RowLayout{};
      step = &step_after(point, node);
      step->inputs = std::move(inputs);
      step->layout = std::move(layout);
      step->models_before = point.models;
      step->needs_key = true;
      step->state = state;
    }
    step->merged.push_back(rolling);
    for (const Rolling::Output& output : rolling.outputs) {
      const Slot slot = new_slot();
      step->outputs.push_back(slot);
      known_[slot] = result_kinds(output.aggregate, any_mask);
      set(point.scope, output.name, output.hidden, slot);
    }
  }

  /// An earlier step on the way to `from` that keeps the very buffer that `rolling` asks for.
  ResolvedStep* shared_buffer(const Rolling& rolling, const std::vector<Slot>& inputs, std::size_t from) {
    for (std::size_t i = from;; i = stage_.steps[i].input) {
      ResolvedStep& step = stage_.steps[i];
      if (!step.merged.empty() && step.merged.front().state_name == rolling.state_name) {
        const Rolling& first = step.merged.front();
        const bool same = step.inputs == inputs && first.by_time == rolling.by_time &&
                          first.window == rolling.window && first.grace_ns == rolling.grace_ns &&
                          first.on_late == rolling.on_late && rows_unchanged(i, from);
        return same ? &step : nullptr;
      }
      if (i == 0) return nullptr;
    }
  }

  /// Whether no step after `first`, up to `last`, takes rows out.
  bool rows_unchanged(std::size_t first, std::size_t last) const {
    for (std::size_t i = last; i != first; i = stage_.steps[i].input) {
      const Step& step = stage_.steps[i].node->step;
      const auto* apply = std::get_if<ApplyRow>(&step);
      const auto* rolling = std::get_if<Rolling>(&step);
      const bool late_leave = rolling != nullptr && !std::holds_alternative<KeepLate>(rolling->on_late);
      if (late_leave || std::holds_alternative<Filter>(step) ||
          (apply != nullptr && apply->mode != RowMode::value))
        return false;
    }
    return true;
  }

  void add(const NodePtr& node, const Shift& shift, Resolved& point) {
    const Slot input = point.scope.slot_of(shift.column, stage_);
    const std::string state = keep_state(
        shift.state_name, fmt::format("{}({})", shift.difference ? "diff" : "shift", shift.periods));
    ResolvedStep& step = step_after(point, node);
    step.needs_key = true;
    step.state = state;
    step.inputs = {input};
    step.outputs = {new_slot()};
    set(point.scope, shift.output, shift.hidden, step.outputs[0]);
  }

  void add(const NodePtr& node, const ApplyRow& apply, Resolved& point) {
    const std::string state = apply.stateful ? keep_state(apply.state_name, "apply()") : "";
    RowLayout layout = point.scope.layout(stage_);
    ResolvedStep& step = step_after(point, node);
    step.needs_key = apply.stateful;
    step.state = state;
    step.layout = std::move(layout);
    if (apply.mode == RowMode::value) {
      step.outputs = {new_slot()};
      set(point.scope, apply.output, apply.hidden, step.outputs[0]);
    } else if (apply.mode != RowMode::filter) {
      make_raw_rows(step, point);
    }
  }

  /// From here on rows are new documents, and columns are read from those.
  void make_raw_rows(ResolvedStep& step, Resolved& point) {
    step.reads = stage_.reads.size();
    stage_.reads.emplace_back();
    point.scope = Scope(step.reads);
  }

  void add(const NodePtr& node, const ApplyValue& apply, Resolved& point) {
    const Slot input = point.scope.slot_of(apply.column, stage_);
    ResolvedStep& step = step_after(point, node);
    step.inputs = {input};
    step.outputs = {new_slot()};
    set(point.scope, apply.output, apply.hidden, step.outputs[0]);
  }

  void add(const NodePtr& node, const MapBatches& map, Resolved& point) {
    std::vector<Slot> inputs;
    for (const std::string& name : map.columns)
      inputs.push_back(point.scope.slot_of(ColumnReference{{name}, false}, stage_));
    ResolvedStep& step = step_after(point, node);
    step.inputs = std::move(inputs);
    if (map.output.empty()) {
      make_raw_rows(step, point);
      return;
    }
    step.outputs = {new_slot()};
    set(point.scope, map.output, map.hidden, step.outputs[0]);
  }

  void add(const NodePtr& node, const Predict& predict, Resolved& point) {
    std::vector<Slot> inputs = slots_of(predict.features, point.scope);
    const std::size_t model = model_of(predict.model, "model", point);
    const std::size_t shadow = predict.shadow ? model_of(*predict.shadow, "shadow", point) : no_model;
    ResolvedStep& step = step_after(point, node);
    step.inputs = std::move(inputs);
    step.model = model;
    step.shadow = shadow;
    step.outputs = {new_slot(), new_slot(), new_slot()};
    set(point.scope, predict.output, predict.hidden, step.outputs[0]);
    if (!predict.version_column.empty()) set(point.scope, predict.version_column, false, step.outputs[1]);
    if (predict.shadow) set(point.scope, predict.shadow_output, predict.shadow_hidden, step.outputs[2]);
  }

  /// The model among those of the stage; `role` is what it is there for.
  std::size_t model_of(const PlannedModel& planned, std::string_view role, Resolved& point) {
    if (!planned.versions) return no_model;
    const auto versions = std::dynamic_pointer_cast<ModelVersions>(planned.versions);
    TIDERACE_CHECK(versions != nullptr);
    const std::string header = unique(fmt::format("tiderace.{}.{}", role, versions->options().name), versions,
                                      &ResolvedModel::header);
    auto& models = stage_.models;
    auto found = std::find_if(models.begin(), models.end(), [&](const ResolvedModel& model) {
      return model.versions == versions && model.header == header;
    });
    if (found == models.end()) {
      ResolvedModel model{versions, header, {}};
      if (versions->changes()) {
        model.state =
            unique(fmt::format("{}({})", role, versions->reference()), versions, &ResolvedModel::state);
        stage_.states.push_back(model.state);
      }
      found = models.insert(models.end(), std::move(model));
    }
    const auto index = static_cast<std::size_t>(found - models.begin());
    if (std::find(point.models.begin(), point.models.end(), index) == point.models.end())
      point.models.push_back(index);
    return index;
  }

  /// `name`, or `name#2`, ... where other versions have it.
  std::string unique(const std::string& name, const std::shared_ptr<ModelVersions>& versions,
                     std::string ResolvedModel::*member) const {
    for (int number = 1;; ++number) {
      std::string numbered = number == 1 ? name : fmt::format("{}#{}", name, number);
      const bool taken =
          std::any_of(stage_.models.begin(), stage_.models.end(), [&](const ResolvedModel& model) {
            return model.*member == numbered && model.versions != versions;
          });
      if (!taken) return numbered;
    }
  }

  void add(const NodePtr& node, const ToTopic& to_topic, Resolved& point) {
    std::vector<Slot> inputs;
    if (to_topic.key) inputs.push_back(point.scope.slot_of(*to_topic.key, stage_));
    RowLayout layout = point.scope.layout(stage_);
    ResolvedStep& step = new_step(node, point.step);  // the frame goes on from the step before
    step.models_before = point.models;
    step.inputs = std::move(inputs);
    step.layout = std::move(layout);
  }

  void add(const NodePtr& node, const ToSink&, Resolved& point) {
    RowLayout layout = point.scope.layout(stage_);
    new_step(node, point.step).layout = std::move(layout);
  }

  void add(const NodePtr& node, const Print&, Resolved& point) {
    RowLayout layout = point.scope.layout(stage_);
    new_step(node, point.step).layout = std::move(layout);
  }

  void find_live(std::size_t index) {
    std::set<Slot> live;
    for (const std::size_t child : stage_.steps[index].children) {
      const ResolvedStep& step = stage_.steps[child];
      std::set<Slot> needed(step.inputs.begin(), step.inputs.end());
      for (const RowLayout::Field& field : step.layout.fields) needed.insert(field.slot);
      if (step.reads == SIZE_MAX) {  // rows made anew need nothing of the old ones
        needed.insert(step.live.begin(), step.live.end());
        for (const Slot slot : step.outputs) needed.erase(slot);
      }
      live.insert(needed.begin(), needed.end());
    }
    if (stage_.output && stage_.output->step == index) {
      for (const ResolvedOutput::Field& field : stage_.output->fields) {
        if (field.slot != no_slot) live.insert(field.slot);
      }
      for (const RowLayout::Field& field : stage_.output->layout.fields) live.insert(field.slot);
    }
    stage_.steps[index].live.assign(live.begin(), live.end());
  }

  ResolvedStage stage_;
  std::vector<std::string> table_columns_;
  bool from_table_;
  std::set<std::string> state_names_;
  std::map<Slot, KindMask> known_;
  std::unordered_map<const Node*, Resolved> resolved_;
};

}  // namespace

NodePtr source_of(const NodePtr& node) {
  NodePtr source = node;
  while (source->input) source = source->input;
  return source;
}

ResolvedStage resolve_stage(const NodePtr& source, const std::vector<NodePtr>& ends) {
  Resolver resolver({}, false);
  for (const NodePtr& end : ends) {
    if (source_of(end) == source) resolver.resolve(end);
  }
  return resolver.finish();
}

ResolvedStage resolve_backtest(const NodePtr& frame, const std::vector<std::string>& columns) {
  Resolver resolver(columns, true);
  Resolved& end = resolver.resolve(frame);
  ResolvedOutput output = end.scope.output(resolver.stage(), columns);
  output.step = end.step;
  resolver.stage().output = std::move(output);
  return resolver.finish();
}

}  // namespace tiderace
