#include "formats/json/fields.h"

#include <algorithm>

#include "base/error.h"

namespace tiderace::json {
namespace {

void declare(Field& field, const std::optional<Kind>& declared) {
  if (field.read && field.declared != declared) {
    const auto named = [](const std::optional<Kind>& kind) { return kind ? to_string(*kind) : "any kind"; };
    throw_error(ErrorKind::plan, "field {} is wanted as {} and as {}; declare one", field.shown,
                named(field.declared), named(declared));
  }
  field.read = true;
  field.declared = declared;
}

}  // namespace

Fields::Fields(const std::vector<JsonField>& fields, const std::vector<std::string>& spans)
    : span_count_(spans.size()) {
  for (const JsonField& wanted : fields) {
    if (wanted.path.empty())
      throw Error(ErrorKind::plan, "a JSON field wants a path of at least one name, found none");
    Field* field = &root_;
    for (const std::string& name : wanted.path) field = &add(*field, name);
    declare(*field, wanted.declared);
    field->slots.push_back(wanted.slot);
  }
  for (std::size_t i = 0; i < spans.size(); ++i) add(root_, spans[i]).span = i;
  // A field that has fields of its own must look at any scalar: they are then invalid.
  for (Field& field : all_) {
    if (field.read && field.children.empty())
      field.accepts = field.declared ? mask_of(*field.declared) : any_mask;
  }
}

Field& Fields::add(Field& parent, const std::string& name) {
  if (Field* found = child(parent, name)) return *found;
  Field& field = all_.emplace_back();
  field.name = name;
  field.shown = (parent.shown.empty() ? "\"" : parent.shown + ".\"") + name + '"';
  parent.children.push_back(&field);
  return field;
}

Field* Fields::child(const Field& parent, std::string_view name) noexcept {
  for (Field* field : parent.children) {
    if (field->name == name) return field;
  }
  return nullptr;
}

void Fields::begin(std::size_t rows, std::vector<std::vector<FieldSpan>>& spans, std::size_t records) {
  spans.assign(span_count_, std::vector<FieldSpan>(records));
  for (Field& field : all_) {
    if (field.span) field.spans = spans[*field.span].data();
    if (!field.read) continue;
    field.builder.emplace(rows);
    field.kinds = field.builder->kinds();
    field.values = field.builder->values();
    std::fill_n(field.kinds, rows, Kind::null);
    std::fill_n(field.values, rows, 0);
  }
}

void Fields::clear(std::size_t i) noexcept {
  for (Field& field : all_) {
    if (field.read) field.builder->set_null(i);
  }
}

void Fields::finish(std::size_t rows, std::vector<Column>& columns) {
  for (Field& field : all_) {
    field.spans = nullptr;
    if (!field.read) continue;
    Column column(std::move(*field.builder));
    field.builder.reset();
    if (column.size() != rows) column = column.slice(0, rows);
    for (const Slot slot : field.slots) columns[slot] = column;
  }
}

}  // namespace tiderace::json
