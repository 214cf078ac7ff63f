#include "connectors/postgres/table_shape.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "columnar/describe.h"
#include "connectors/column_kinds.h"

namespace tiderace::postgres {
namespace {

constexpr std::size_t longest_name = 63;  // bytes; PostgreSQL cuts what is longer

struct Known {
  std::string_view name;
  ColumnType type;
};
constexpr Known known_types[] = {
    {"bool", ColumnType::boolean},    {"int2", ColumnType::int16},  {"int4", ColumnType::int32},
    {"int8", ColumnType::int64},      {"float4", ColumnType::real}, {"float8", ColumnType::floating},
    {"numeric", ColumnType::numeric}, {"text", ColumnType::text},   {"varchar", ColumnType::text},
    {"bpchar", ColumnType::text},     {"name", ColumnType::text},   {"json", ColumnType::json},
    {"jsonb", ColumnType::json},      {"bytea", ColumnType::bytes},
};

ColumnType type_called(std::string_view name) {
  for (const Known& known : known_types)
    if (known.name == name) return known.type;
  return ColumnType::other;
}

/// Of a column whose type is a domain over `base`: it is not changed, and the server judges what it takes.
ColumnType type_over(ColumnType base) {
  const bool is_integer = base == ColumnType::int16 || base == ColumnType::int32 || base == ColumnType::int64;
  return is_integer ? ColumnType::numeric : base;
}

/// The kinds that a column takes as they are.
KindMask taken(ColumnType type) {
  switch (type) {
    case ColumnType::boolean:
      return mask_of(Kind::boolean);
    case ColumnType::int16:
    case ColumnType::int32:
    case ColumnType::int64:
      return mask_of(Kind::int64);
    case ColumnType::real:
    case ColumnType::floating:
    case ColumnType::numeric:
      return mask_of(Kind::int64) | mask_of(Kind::float64);
    case ColumnType::text:
      return mask_of(Kind::string);
    case ColumnType::json:
      return any_mask & static_cast<KindMask>(~mask_of(Kind::bytes));
    case ColumnType::bytes:
      return mask_of(Kind::bytes);
    case ColumnType::other:  // the server judges; a number would be a day, an address or whatever it reads
      return mask_of(Kind::string);
    case ColumnType::generated:
      return 0;
  }
  return 0;
}

TableColumn column_for(const std::string& name, Kind kind) {
  switch (kind) {
    case Kind::boolean:
      return {name, ColumnType::boolean, "boolean"};
    case Kind::int64:
      return {name, ColumnType::int64, "bigint"};
    case Kind::float64:
      return {name, ColumnType::floating, "double precision"};
    case Kind::bytes:
      return {name, ColumnType::bytes, "bytea"};
    case Kind::nested:
      return {name, ColumnType::json, "jsonb"};
    default:
      return {name, ColumnType::text, "text"};
  }
}

bool has_rounded(const Column& column) noexcept {
  if (!in(Kind::int64, column.mask())) return false;
  for (std::size_t i = 0; i < column.size(); ++i)
    if (column.kind(i) == Kind::int64 && is_rounded(column.int64(i))) return true;
  return false;
}

/// What is wrong with a field's name as that of a new column; empty: nothing.
std::string complaint_of(const std::string& name) {
  constexpr std::string_view system[] = {"xmin", "xmax", "cmin", "cmax", "ctid", "tableoid"};
  std::string found;
  if (name.empty()) found = "an empty name";
  if (name.size() > longest_name) found = fmt::format("{}, which has {} bytes", quoted(name), name.size());
  if (name.find('\0') != std::string::npos) found = quoted(name) + ", which has a NUL character";
  if (std::find(std::begin(system), std::end(system), name) != std::end(system))
    found = quoted(name) + ", which PostgreSQL keeps for itself";
  if (found.empty()) return {};
  return fmt::format(
      "wanted a name of 1 to {} bytes that a column of PostgreSQL can have, found {}; rename it",
      longest_name, found);
}

/// Whether a floating point column of this type would round it.
bool is_rounded_in(ColumnType type, std::int64_t value) noexcept {
  constexpr std::int64_t single_precision = 1 << 24;
  if (type == ColumnType::real) return value < -single_precision || value > single_precision;
  return type == ColumnType::floating && is_rounded(value);
}

void check_range(const TableColumn& known, std::int64_t value, std::size_t i, RowErrors& errors) {
  const bool is_short = known.type == ColumnType::int16;
  if (!is_short && known.type != ColumnType::int32) return;
  const std::int64_t least =
      is_short ? std::numeric_limits<std::int16_t>::min() : std::numeric_limits<std::int32_t>::min();
  const std::int64_t most =
      is_short ? std::numeric_limits<std::int16_t>::max() : std::numeric_limits<std::int32_t>::max();
  if (value >= least && value <= most) return;
  errors.add(
      i, BadRowKind::range,
      fmt::format("column {}: wanted a whole number from {} to {}, since the table has it as {}, found {}",
                  quoted(known.name), least, most, known.spelled, value));
}

}  // namespace

const TableColumn* TableShape::find(std::string_view name) const noexcept {
  const auto found =
      std::find_if(columns_.begin(), columns_.end(), [&](const auto& column) { return column.name == name; });
  return found == columns_.end() ? nullptr : &*found;
}

std::size_t TableShape::place_of(std::string_view name) const noexcept {
  const TableColumn* found = find(name);
  return found == nullptr ? unknown : static_cast<std::size_t>(found - columns_.data());
}

void TableShape::widen(const TableColumn& column) {
  const std::size_t place = place_of(column.name);
  if (place == unknown) {
    columns_.push_back(column);
    return;
  }
  TableColumn& known = columns_[place];
  if (known.type != ColumnType::int64) return;
  if (column.type == ColumnType::floating)
    known = column;
  else
    known.large = known.large || column.large;
}

void TableShape::add(const std::string& name, ColumnType type, std::string spelled) {
  if (find(name) == nullptr) columns_.push_back({name, type, std::move(spelled)});
}

bool TableShape::takes(std::size_t place, const Column& column) const noexcept {
  if (column.mask() == 0) return true;
  if (place == unknown) return false;
  const TableColumn& known = columns_[place];
  if ((column.mask() & static_cast<KindMask>(~taken(known.type))) != 0) return false;
  if (known.type == ColumnType::int16 || known.type == ColumnType::int32) return false;
  if (known.type == ColumnType::real) return !in(Kind::int64, column.mask());
  const bool matters =
      known.type == ColumnType::floating || (known.type == ColumnType::int64 && !known.large);
  return !matters || !has_rounded(column);
}

void TableShape::check(const NamedColumn& named, std::size_t place, std::size_t i,
                       const RefusedChanges& refused, RowErrors& errors) const {
  const Kind kind = named.column.kind(i);
  const auto change = refused.columns.find(named.name);
  if (place == unknown) {
    if (const std::string wrong = complaint_of(named.name); !wrong.empty())
      return errors.add(i, named.name.size() > longest_name ? BadRowKind::too_large : BadRowKind::type,
                        wrong);
    const std::string* why = change != refused.columns.end() ? &change->second : &refused.new_columns;
    if (!why->empty())
      errors.add(
          i, BadRowKind::type,
          fmt::format("column {}: the table has none of that name, and the database refuses to add it: "
                      "{}; add it yourself, or leave the field out",
                      quoted(named.name), *why));
    return;
  }
  const TableColumn& known = columns_[place];
  if (known.type == ColumnType::int64 && kind == Kind::float64) {
    if (change != refused.columns.end())
      errors.add(i, BadRowKind::type,
                 fmt::format("column {}: the table has it as {}, found {}, and it does not become double "
                             "precision: {}; give it another name",
                             quoted(named.name), known.spelled, describe(named.column, i), change->second));
    else if (known.large)
      errors.add(i, BadRowKind::range,
                 fmt::format("column {}: rows before have integers that no double precision is, found {}; "
                             "convert it with astype, or give it another name",
                             quoted(named.name), describe(named.column, i)));
    return;
  }
  if (!in(kind, taken(known.type)))
    return errors.add(i, BadRowKind::type,
                      fmt::format("column {}: the table has it as {}, found {}; convert it with astype, or "
                                  "give it another name",
                                  quoted(named.name), known.spelled, describe(named.column, i)));
  if (kind != Kind::int64) return;
  check_range(known, named.column.int64(i), i, errors);
  if (is_rounded_in(known.type, named.column.int64(i)))
    errors.add(i, BadRowKind::range,
               fmt::format("column {}: wanted a number that is one as {}, too, found {}; convert it with "
                           "astype, or give it another name",
                           quoted(named.name), known.spelled, named.column.int64(i)));
}

void TableShape::learn(const NamedColumn& named, std::size_t& place, std::size_t i) {
  const Kind kind = named.column.kind(i);
  if (place == unknown) {
    place = columns_.size();
    columns_.push_back(column_for(named.name, kind));
  }
  TableColumn& known = columns_[place];
  if (known.type != ColumnType::int64) return;
  if (kind == Kind::float64)
    known = {known.name, ColumnType::floating, "double precision"};
  else if (is_rounded(named.column.int64(i)))
    known.large = true;
}

void TableShape::fit(const std::vector<NamedColumn>& columns, std::size_t size, const RefusedChanges& refused,
                     RowErrors& errors) {
  std::vector<std::size_t> places;
  bool all = errors.empty();
  for (const NamedColumn& named : columns) {
    places.push_back(place_of(named.name));
    all = all && takes(places.back(), named.column);
  }
  if (all) return;
  const std::vector<bool> bad = errors.rows(size);
  const auto each = [&](std::size_t i, const auto& call) {
    for (std::size_t k = 0; k < columns.size(); ++k) {
      const Kind kind = columns[k].column.kind(i);
      if (kind != Kind::null && kind != Kind::invalid) call(columns[k], places[k]);
    }
  };
  for (std::size_t i = 0; i < size; ++i) {
    if (!bad.empty() && bad[i]) continue;
    RowErrors found;
    each(i, [&](const NamedColumn& named, std::size_t place) { check(named, place, i, refused, found); });
    if (found.empty()) each(i, [&](const NamedColumn& named, std::size_t& place) { learn(named, place, i); });
    for (RowErrors::Entry& entry : found.take()) errors.add(i, entry.kind, std::move(entry.message));
  }
}

std::vector<TableChange> TableShape::changes_of(const std::string& table, const TableShape& actual) const {
  std::vector<TableChange> changes;
  for (const TableColumn& wanted : columns_) {
    const TableColumn* found = actual.find(wanted.name);
    if (found == nullptr) {
      changes.push_back({wanted.name, true,
                         fmt::format("ALTER TABLE {} ADD COLUMN IF NOT EXISTS {} {}", table_identifier(table),
                                     identifier(wanted.name), wanted.spelled)});
    } else if (found->type == ColumnType::int64 && wanted.type == ColumnType::floating) {
      changes.push_back({wanted.name, false,
                         fmt::format("ALTER TABLE {} ALTER COLUMN {} TYPE double precision",
                                     table_identifier(table), identifier(wanted.name))});
    }
  }
  return changes;
}

bool still_fits(const TableColumn& actual, const TableColumn& wanted) noexcept {
  const bool is_float = actual.type == ColumnType::floating;
  const bool takes_integers = actual.type == ColumnType::numeric || (is_float && !wanted.large);
  return actual.type == wanted.type || (wanted.type == ColumnType::int64 && takes_integers);
}

std::string state_of(Connection& connection, const std::string& table) {
  const Rows found = connection.query(
      "SELECT pg_catalog.concat_ws(' ', c.oid, c.xmin, pg_catalog.pg_has_role(c.relowner, 'USAGE'), (SELECT "
      "pg_catalog.count(*) FROM pg_catalog.pg_depend d WHERE d.refobjid = c.oid)) FROM pg_catalog.pg_class c "
      "WHERE c.oid = pg_catalog.to_regclass($1)",
      {table_identifier(table)});
  return found.size() == 0 ? "" : std::string(*found.at(0, 0));
}

namespace {

/// Of row `i` of what `read_shape` asks for.
TableColumn column_of(const Rows& rows, std::size_t i) {
  const auto holds = [&](std::size_t column) { return *rows.at(i, column) == "t"; };
  TableColumn column{std::string(*rows.at(i, 0)), type_called(*rows.at(i, 1)), std::string(*rows.at(i, 2))};
  if (holds(3)) column.type = type_over(column.type);
  column.has_default = holds(4);
  if (holds(5)) {
    column.type = ColumnType::generated;
    column.spelled += ", generated from other columns";
  }
  return column;
}

}  // namespace

std::optional<TableShape> read_shape(Connection& connection, const std::string& table) {
  const std::string name = table_identifier(table);
  const Rows kind = connection.query(
      "SELECT c.relkind, c.oid FROM pg_catalog.pg_class c WHERE c.oid = pg_catalog.to_regclass($1)", {name});
  if (kind.size() == 0) return std::nullopt;
  const std::string_view relation = *kind.at(0, 0);
  if (relation != "r" && relation != "p" && relation != "f") {
    throw Failure(FailureKind::refused, "42809",
                  fmt::format("{} is {}, and rows go into tables; name a table", table,
                              relation == "v"   ? "a view"
                              : relation == "m" ? "a materialized view"
                                                : "no table"));
  }
  const Rows rows = connection.query(
      "SELECT a.attname, coalesce(b.typname, t.typname), pg_catalog.format_type(a.atttypid, a.atttypmod), "
      "b.oid IS NOT NULL, a.atthasdef OR a.attidentity <> '' OR t.typdefault IS NOT NULL, a.attgenerated <> "
      "'' "
      "FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid "
      "LEFT JOIN pg_catalog.pg_type b ON t.typtype = 'd' AND b.oid = t.typbasetype "
      "WHERE a.attrelid = $1::oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum",
      {std::string(*kind.at(0, 1))});
  std::vector<TableColumn> columns;
  for (std::size_t i = 0; i < rows.size(); ++i) columns.push_back(column_of(rows, i));
  return TableShape(std::move(columns));
}

}  // namespace tiderace::postgres
