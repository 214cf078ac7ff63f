#include "plan/schema.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>

#include "base/error.h"
#include "plan/text.h"

namespace tiderace {
namespace {

constexpr std::size_t shown_columns = 12;

std::string list_columns(const std::vector<std::string>& columns) {
  if (columns.empty()) return "there are none";
  std::vector<std::string> shown;
  for (const std::string& column : columns) {
    if (shown.size() == shown_columns) {
      shown.push_back(fmt::format("and {} more", columns.size() - shown_columns));
      break;
    }
    shown.push_back(quoted(column));
  }
  return fmt::format("the columns are {}", fmt::join(shown, ", "));
}

}  // namespace

std::string describe(KindMask kinds) {
  if (kinds == 0) return "null";
  std::vector<std::string> names;
  for (const Kind kind :
       {Kind::boolean, Kind::int64, Kind::float64, Kind::string, Kind::bytes, Kind::nested}) {
    if (in(kind, kinds)) names.emplace_back(to_string(kind));
  }
  return fmt::format("{}", fmt::join(names, " or "));
}

const Source& source_of(const Node& node) {
  const Node* at = &node;
  while (at->input != nullptr) at = at->input.get();
  const Source* source = std::get_if<Source>(&at->step);
  TIDERACE_CHECK(source != nullptr);
  return *source;
}

const NodeSchema::Known* NodeSchema::find(const std::string& name) const {
  const auto found = known_.find(name);
  return found == known_.end() ? nullptr : &found->second;
}

void NodeSchema::set(const std::string& name, Known known) {
  if (std::find(columns_.begin(), columns_.end(), name) == columns_.end()) columns_.push_back(name);
  known_[name] = known;
  removed_.erase(name);
}

void NodeSchema::remove(const std::string& name, const std::string& by) {
  std::erase(columns_, name);
  known_.erase(name);
  removed_[name] = by;
}

void NodeSchema::require(const ColumnReference& reference) const {
  const std::string& name = reference.path.at(0);
  if (reference.hidden) {
    TIDERACE_CHECK(hidden_.contains(name));
    return;
  }
  const auto removed = removed_.find(name);
  if (removed != removed_.end()) {
    throw_error(ErrorKind::plan, "there is no column {} here: `{}` took it away; read it before that step",
                quoted(name), removed->second);
  }
  const Known* known = find(name);
  if (closed_ && known == nullptr) {
    throw_error(ErrorKind::plan, "there is no column {} after `{}`: {}", quoted(name), closed_by_,
                list_columns(columns_));
  }
  if (reference.path.size() > 1 && known != nullptr && known->kinds != 0 && !in(Kind::nested, known->kinds)) {
    throw_error(ErrorKind::plan, "there is no {}: column {} holds {}, wanted an object", to_text(reference),
                quoted(name), describe(known->kinds));
  }
}

KindMask NodeSchema::of(const ColumnReference& reference) const {
  require(reference);
  if (reference.hidden) return hidden_.at(reference.path[0]).kinds;
  if (reference.path.size() > 1) return any_mask;
  const Known* known = find(reference.path[0]);
  return known == nullptr ? any_mask : known->kinds;
}

Definition NodeSchema::definition(const ColumnReference& reference) const {
  require(reference);
  if (reference.hidden) return hidden_.at(reference.path[0]).definition;
  const Known* known = find(reference.path[0]);
  return known == nullptr ? unnamed(reference.path[0]) : known->definition;
}

Definition NodeSchema::unnamed(const std::string& name) const {
  return fmt::format("{}[{}]", rest_, quoted(name));
}

Definition Schemas::intern(std::string text) {
  return fmt::format("#{}", definitions_.try_emplace(std::move(text), definitions_.size()).first->second);
}

NodeSchema Schemas::source(const Source& source) {
  NodeSchema schema;
  const std::string from = fmt::format("source {}", quoted(source.topic->name));
  schema.rest_ = intern(from);
  schema.rows_ = intern("rows of " + from);
  if (table_) {
    schema.closed_ = true;
    schema.closed_by_ = "reading the table";
    for (const TableColumn& column : *table_) {
      schema.set(column.name, {schema.unnamed(column.name), column.kinds});
    }
  }
  for (const auto& [name, kind] : source.topic->options.schema) {
    const KindMask kinds = kind == "int64"     ? mask_of(Kind::int64)
                           : kind == "float64" ? mask_of(Kind::float64)
                           : kind == "string"  ? mask_of(Kind::string)
                                               : mask_of(Kind::boolean);
    if (table_ && schema.find(name) == nullptr) continue;
    schema.known_[name] = {schema.unnamed(name), kinds};
  }
  return schema;
}

std::shared_ptr<const NodeSchema> Schemas::kept(const Node& node) {
  const auto found =
      std::find_if(kept_.begin(), kept_.end(), [&](const Kept& kept) { return kept.node.get() == &node; });
  if (found == kept_.end()) return nullptr;
  std::rotate(kept_.begin(), found, found + 1);
  return kept_.front().schema;
}

void Schemas::keep(const NodePtr& node, std::shared_ptr<const NodeSchema> schema) {
  constexpr std::size_t most = 64;
  kept_.push_front({node, std::move(schema)});
  if (kept_.size() > most) kept_.pop_back();
}

void Schemas::check_states(std::span<const NodePtr> nodes) {
  std::map<std::pair<std::string, std::string>, NodeSchema::State> seen;
  for (const NodePtr& node : nodes) {
    const std::string& topic = source_of(*node).topic->name;
    const std::shared_ptr<const NodeSchema> schema = of(node);
    for (const auto& [name, state] : schema->states_) {
      const auto [at, fresh] = seen.try_emplace({topic, name}, state);
      if (fresh || at->second.signature == state.signature) continue;
      throw_error(ErrorKind::plan,
                  "{}: its state is called `{}`, and so is that of `{}` in another branch, over other rows "
                  "or values; give one of "
                  "them a name of its own with name=",
                  state.text, name, at->second.text);
    }
  }
}

}  // namespace tiderace
