#include <fmt/format.h>
#include <fmt/ranges.h>

#include <set>

#include "base/error.h"
#include "columnar/aggregate.h"
#include "plan/offset.h"
#include "plan/schema.h"
#include "plan/text.h"

namespace tiderace {

/// The schema after one step, given the one before; one overload a step.
struct NextSchema {
  using Known = NodeSchema::Known;

  Schemas& schemas;
  NodeSchema next;  ///< begins as the schema before the step
  std::string text;

  void operator()(const Source&) { TIDERACE_CHECK(false); }

  void operator()(const Filter& step) {
    const KindMask kinds = infer_kinds(*step.condition, next);
    if (kinds != 0 && !in(Kind::boolean, kinds)) {
      throw_error(ErrorKind::plan, "a filter wants true or false, and `{}` gives {}",
                  to_text(*step.condition), describe(kinds));
    }
    next.rows_ = schemas.intern(fmt::format("filter rows {} {}", next.rows_, signature(*step.condition)));
  }

  void operator()(const Assign& step) {
    const KindMask kinds = infer_kinds(*step.value, next);
    put(step.name, step.hidden, {schemas.intern("value " + signature(*step.value)), kinds});
  }

  void operator()(const Project& step) {
    std::map<std::string, Known> kept;
    for (const std::string& name : step.columns) {
      const ColumnReference reference{{name}};
      next.require(reference);
      if (!kept.emplace(name, Known{next.definition(reference), next.of(reference)}).second) {
        throw_error(ErrorKind::plan, "column {} stands twice in the projection", quoted(name));
      }
    }
    next.known_ = std::move(kept);
    next.columns_ = step.columns;
    next.removed_.clear();
    next.closed_ = true;
    next.closed_by_ = text;
  }

  void operator()(const Drop& step) {
    for (const std::string& name : step.columns) next.require({{name}});
    for (const std::string& name : step.columns) next.remove(name, text);
  }

  void operator()(const Rename& step) {
    std::map<std::string, std::string> names;
    std::vector<std::pair<std::string, Known>> renamed;
    for (const auto& [from, to] : step.columns) {
      const ColumnReference reference{{from}};
      next.require(reference);
      if (!names.emplace(from, to).second)
        throw_error(ErrorKind::plan, "column {} is renamed twice", quoted(from));
      renamed.emplace_back(to, Known{next.definition(reference), next.of(reference)});
    }
    std::set<std::string> targets;
    for (const auto& [from, to] : step.columns) {
      const bool moves_away = names.contains(to);
      if (!targets.insert(to).second || (next.find(to) != nullptr && !moves_away)) {
        throw_error(ErrorKind::plan, "two columns would be called {}; drop one of them first", quoted(to));
      }
    }
    for (std::string& column : next.columns_) {
      const auto found = names.find(column);
      if (found != names.end()) column = found->second;
    }
    for (const auto& [from, to] : step.columns) {
      next.known_.erase(from);
      next.removed_[from] = text;
    }
    for (auto& [to, known] : renamed) next.set(to, known);
  }

  void operator()(const Rolling& step) {
    std::string inputs;
    for (const ColumnReference& column : step.columns) inputs += input(column);
    for (const Rolling::Output& output : step.outputs)
      require_numbers(step.columns[output.column], output.aggregate);
    const bool takes_late = !std::holds_alternative<KeepLate>(step.on_late);
    const std::string what = fmt::format("rolling {} {} {} late {} {}", step.by_time, step.window,
                                         step.grace_ns, late(step.on_late), inputs);
    // Steps of one buffer follow each other; the first of them has already taken the late rows out.
    const auto found = schemas.late_drops_.find(next.rows_);
    const bool same = found != schemas.late_drops_.end() && found->second.signature == step.state_name + what;
    const Definition rows = same ? found->second.before : next.rows_;
    claim(step.state_name, fmt::format("{} rows {}", what, rows));
    for (const Rolling::Output& output : step.outputs) {
      const KindMask kinds = result_kinds(output.aggregate, next.of(step.columns[output.column]));
      const Definition definition = schemas.intern(
          fmt::format("{} {} rows {}: column {} {} {} {}", step.state_name, what, rows, output.column,
                      to_string(output.aggregate), step.ddof, step.min_periods));
      put(output.name, output.hidden, {definition, kinds});
    }
    if (takes_late && !same) {
      next.rows_ = schemas.intern(fmt::format("not late {} {} rows {}", step.state_name, what, rows));
      schemas.late_drops_[next.rows_] = {rows, step.state_name + what};
    }
  }

  void operator()(const Shift& step) {
    if (step.difference) require_number(next.of(step.column), step.column, "a difference");
    const std::string what = fmt::format("shift {} {} {}", step.difference, step.periods, input(step.column));
    const std::string signature = fmt::format("{} rows {}", what, next.rows_);
    claim(step.state_name, signature);
    KindMask kinds = next.of(step.column);
    if (step.difference && kinds != mask_of(Kind::float64))
      kinds = mask_of(Kind::int64) | mask_of(Kind::float64);
    put(step.output, step.hidden, {schemas.intern(signature), kinds});
  }

  void operator()(const ApplyRow& step) {
    const std::string signature =
        fmt::format("function {} {} of row {}", static_cast<const void*>(step.function.get()),
                    static_cast<int>(step.mode), row());
    if (step.stateful) claim(step.state_name, fmt::format("{} rows {}", signature, next.rows_));
    const std::string result =
        fmt::format("{} rows {}", signature, step.stateful ? next.rows_ : Definition());
    switch (step.mode) {
      case RowMode::replace:
      case RowMode::update:
        open(schemas.intern(result));
        break;
      case RowMode::filter:
        next.rows_ = schemas.intern(fmt::format("filter rows {} {}", next.rows_, result));
        break;
      case RowMode::value:
        put(step.output, step.hidden, {schemas.intern(result), any_mask});
        break;
    }
  }

  void operator()(const ApplyValue& step) {
    const std::string signature =
        fmt::format("function {} of {}", static_cast<const void*>(step.function.get()), input(step.column));
    put(step.output, step.hidden, {schemas.intern(signature), any_mask});
  }

  void operator()(const MapBatches& step) {
    std::string signature = fmt::format("batch function {}", static_cast<const void*>(step.function.get()));
    for (const std::string& column : step.columns) signature += input({{column}});
    if (step.output.empty())
      open(schemas.intern(signature));
    else
      put(step.output, step.hidden, {schemas.intern(signature), any_mask});
  }

  void operator()(const Predict& step) {
    std::string signature = fmt::format("model {} {}", model_identity(step.model), step.pass_nulls);
    for (const ColumnReference& feature : step.features) {
      require_number(next.of(feature), feature, "a model");
      signature += input(feature);
    }
    put(step.output, step.hidden, {schemas.intern(signature), any_mask});
    if (!step.version_column.empty())
      put(step.version_column, false, {schemas.intern(signature + " version"), mask_of(Kind::string)});
    if (step.shadow) {
      signature += fmt::format(" shadow {}", model_identity(*step.shadow));
      put(step.shadow_output, step.shadow_hidden, {schemas.intern(signature), any_mask});
    }
  }

  void operator()(const ToTopic& step) {
    if (step.key) next.require(*step.key);
  }
  void operator()(const Print&) {}

 private:
  /// What an expression computes: its text and what made the columns that it reads.
  std::string signature(const Expression& expression) const {
    std::string out = to_text(expression);
    for (const ColumnReference& reference : references(expression)) out += input(reference);
    return out;
  }

  std::string input(const ColumnReference& column) const {
    return fmt::format(" {}={}", to_text(column), next.definition(column));
  }

  /// What the whole row is made of.
  std::string row() const {
    std::string out = fmt::format("{} {}", next.rest_, next.closed_);
    for (const auto& [name, known] : next.known_)
      out += fmt::format(" {}={}", quoted(name), known.definition);
    for (const auto& [name, by] : next.removed_) out += fmt::format(" -{}", quoted(name));
    return out;
  }

  static std::string late(const OnLate& on_late) {
    if (const auto* topic = std::get_if<std::shared_ptr<const Topic>>(&on_late)) return to_text(**topic);
    if (const auto* function = std::get_if<std::shared_ptr<RowFunction>>(&on_late)) {
      return fmt::format("{}", static_cast<const void*>(function->get()));
    }
    return std::holds_alternative<DropLate>(on_late) ? "drop" : "keep";
  }

  void put(const std::string& name, bool hidden, Known known) {
    if (hidden) {
      next.hidden_[name] = known;
      return;
    }
    if (name.starts_with("__tiderace")) {
      throw_error(ErrorKind::plan, "column names that begin with __tiderace are reserved; found {}",
                  quoted(name));
    }
    next.set(name, known);
  }

  /// A function made the row: nothing is known of it.
  void open(Definition made_by) {
    next.closed_ = false;
    next.columns_.clear();
    next.known_.clear();
    next.removed_.clear();
    next.hidden_.clear();
    next.rest_ = made_by;
  }

  void claim(const std::string& state_name, std::string signature) {
    const auto [at, fresh] = next.states_.try_emplace(state_name, NodeSchema::State{signature, text});
    if (fresh || at->second.signature == signature) return;
    throw_error(ErrorKind::plan,
                "its state is called `{}`, and so is that of `{}` before it, over other rows or values (a "
                "filter or an assignment "
                "stands between); give one of them a name of its own with name=",
                state_name, at->second.text);
  }

  static void require_number(KindMask kinds, const ColumnReference& column, const std::string& what) {
    if (kinds == 0 || (kinds & number_mask) != 0) return;
    throw_error(ErrorKind::plan, "{} wants numbers, and {} holds {}", what, to_text(column), describe(kinds));
  }

  void require_numbers(const ColumnReference& column, Aggregate aggregate) const {
    require_number(next.of(column), column, fmt::format("a rolling {}", to_string(aggregate)));
  }
};

std::shared_ptr<const NodeSchema> Schemas::of(const NodePtr& node) {
  if (std::shared_ptr<const NodeSchema> schema = kept(*node)) return schema;
  std::shared_ptr<const NodeSchema> before;
  std::vector<NodePtr> missing;
  for (NodePtr at = node; at != nullptr && before == nullptr; at = at->input) {
    before = kept(*at);
    if (before == nullptr) missing.push_back(at);
  }
  NodeSchema schema;
  if (before != nullptr) schema = *before;
  for (auto at = missing.rbegin(); at != missing.rend(); ++at) {
    const Step& step = (*at)->step;
    if (const Source* from = std::get_if<Source>(&step); from != nullptr) {
      schema = source(*from);
      continue;
    }
    NextSchema next{*this, std::move(schema), to_text(step)};
    try {
      std::visit(next, step);
    } catch (const Error& error) {
      throw error.within(next.text);
    }
    schema = std::move(next.next);
  }
  auto made = std::make_shared<const NodeSchema>(std::move(schema));
  keep(node, made);
  return made;
}

}  // namespace tiderace
