#include "operators/resolve/scope.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"

namespace tiderace {

Scope Scope::of_table(const std::vector<std::string>& columns) {
  Scope scope(0);
  scope.closed_ = true;
  for (const std::string& name : columns) scope.fields_.push_back({name, std::nullopt, name});
  return scope;
}

Scope::Field* Scope::find(const std::string& name) {
  const auto found =
      std::find_if(fields_.begin(), fields_.end(), [&](const Field& field) { return field.name == name; });
  return found == fields_.end() ? nullptr : &*found;
}

std::optional<std::string> Scope::raw_name(const std::string& name) const {
  for (const auto& [raw, now] : renamed_) {
    if (now == name) return raw;
  }
  const bool renamed_away =
      std::any_of(renamed_.begin(), renamed_.end(), [&](const auto& pair) { return pair.first == name; });
  const bool dropped = std::find(dropped_.begin(), dropped_.end(), name) != dropped_.end();
  if (closed_ || renamed_away || dropped) return std::nullopt;
  return name;
}

std::optional<Slot> Scope::hidden(const std::string& name) const {
  const auto found = hidden_.find(name);
  if (found == hidden_.end()) return std::nullopt;
  return found->second;
}

Slot Scope::read(std::vector<std::string> path, ResolvedStage& stage) const {
  ReadFields& reads = stage.reads[reads_];
  for (const JsonField& field : reads.fields) {
    if (field.path == path) return field.slot;
  }
  const auto slot = static_cast<Slot>(stage.slots++);
  reads.fields.push_back({std::move(path), slot, std::nullopt});
  return slot;
}

std::size_t Scope::span(const std::string& raw, ResolvedStage& stage) const {
  auto& spans = stage.reads[reads_].spans;
  const auto found = std::find(spans.begin(), spans.end(), raw);
  if (found != spans.end()) return static_cast<std::size_t>(found - spans.begin());
  spans.push_back(raw);
  return spans.size() - 1;
}

Slot Scope::slot_of(const ColumnReference& reference, ResolvedStage& stage) {
  const std::string& name = reference.path.front();
  if (reference.hidden) {
    const auto slot = hidden(name);
    TIDERACE_CHECK(slot.has_value());
    return *slot;
  }
  std::optional<std::string> raw;
  if (Field* field = find(name)) {
    if (field->slot && reference.path.size() == 1) return *field->slot;
    if (field->slot) {
      throw_error(ErrorKind::plan,
                  "\"{}\" was computed by a step, so \"{}\" cannot be read inside it: return the value as a "
                  "column of its own",
                  name, reference.path.back());
    }
    raw = field->raw;
  } else {
    raw = raw_name(name);
  }
  if (!raw)
    throw_error(ErrorKind::plan, "wanted the column \"{}\", but the frame does not have it at this step",
                name);
  std::vector<std::string> path = reference.path;
  path.front() = *raw;
  return read(std::move(path), stage);
}

void Scope::assign(const std::string& name, Slot slot) {
  if (Field* field = find(name)) {
    field->slot = slot;
    return;
  }
  fields_.push_back({name, slot, raw_name(name)});
}

void Scope::project(const std::vector<std::string>& columns, ResolvedStage& stage) {
  std::vector<Field> kept;
  for (const std::string& name : columns) {
    Field* field = find(name);
    if (field != nullptr && !field->slot)
      kept.push_back(*field);
    else
      kept.push_back({name, slot_of(ColumnReference{{name}, false}, stage), std::nullopt});
  }
  fields_ = std::move(kept);
  closed_ = true;
  dropped_.clear();
  renamed_.clear();
}

void Scope::drop(const std::string& name) {
  const auto field =
      std::find_if(fields_.begin(), fields_.end(), [&](const Field& f) { return f.name == name; });
  std::optional<std::string> raw = field != fields_.end() ? field->raw : raw_name(name);
  if (field != fields_.end()) fields_.erase(field);
  if (closed_ || !raw) return;
  std::erase_if(renamed_, [&](const auto& pair) { return pair.first == *raw; });
  dropped_.push_back(*raw);
}

void Scope::rename(const std::vector<std::pair<std::string, std::string>>& columns) {
  // Under names that no column has, so that one that is renamed is not in the way of another.
  const auto passing = [](std::size_t i) { return fmt::format("{}{}", '\0', i); };
  for (std::size_t i = 0; i < columns.size(); ++i) {
    if (columns[i].first != columns[i].second) rename(columns[i].first, passing(i));
  }
  for (std::size_t i = 0; i < columns.size(); ++i) {
    if (columns[i].first != columns[i].second) rename(passing(i), columns[i].second);
  }
}

void Scope::rename(const std::string& from, const std::string& to) {
  drop(to);  // the new name takes the place of a column that had it, so that no row gets the name twice
  std::optional<std::string> raw;
  if (Field* field = find(from)) {
    field->name = to;
    raw = field->raw;
  } else {
    raw = raw_name(from);
  }
  if (closed_ || !raw) return;
  std::erase_if(renamed_, [&](const auto& pair) { return pair.first == *raw; });
  if (*raw != to)
    renamed_.emplace_back(*raw, to);
  else
    std::erase(dropped_, to);
}

RowLayout Scope::layout(ResolvedStage& stage) {
  RowLayout layout;
  layout.projected = closed_;
  for (Field& field : fields_) {
    const Slot slot = field.slot ? *field.slot : read({*field.raw}, stage);
    layout.fields.push_back(
        {field.name, slot, !closed_ && field.raw ? span(*field.raw, stage) : RowLayout::no_span});
  }
  if (closed_) return layout;
  for (const std::string& raw : dropped_) layout.dropped.push_back(span(raw, stage));
  for (const auto& [raw, now] : renamed_) layout.renamed.push_back({span(raw, stage), now});
  return layout;
}

ResolvedOutput Scope::output(ResolvedStage& stage, const std::vector<std::string>& table_columns) {
  ResolvedOutput output;
  output.raw = !closed_;
  if (output.raw) {
    output.layout = layout(stage);
    return output;
  }
  for (const Field& field : fields_) {
    ResolvedOutput::Field result{field.name, field.slot.value_or(no_slot), 0};
    if (!field.slot) {
      const auto column = std::find(table_columns.begin(), table_columns.end(), *field.raw);
      result.table_column = static_cast<std::size_t>(column - table_columns.begin());
    }
    output.fields.push_back(std::move(result));
  }
  return output;
}

}  // namespace tiderace
