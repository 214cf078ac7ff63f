#include "connectors/postgres/table_shape.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "columnar/describe.h"

namespace tiderace::postgres {
namespace {

constexpr std::size_t longest_name = 63;  // bytes; PostgreSQL cuts what is longer

struct Known {
  std::string_view name;
  ColumnType type;
};
constexpr Known known_types[] = {
    {"bool", ColumnType::boolean},    {"int2", ColumnType::int16},      {"int4", ColumnType::int32},
    {"int8", ColumnType::int64},      {"float4", ColumnType::floating}, {"float8", ColumnType::floating},
    {"numeric", ColumnType::numeric}, {"text", ColumnType::text},       {"varchar", ColumnType::text},
    {"bpchar", ColumnType::text},     {"name", ColumnType::text},       {"json", ColumnType::json},
    {"jsonb", ColumnType::json},      {"bytea", ColumnType::bytes},
};

ColumnType type_called(std::string_view name) {
  for (const Known& known : known_types)
    if (known.name == name) return known.type;
  return ColumnType::other;
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
    case ColumnType::floating:
    case ColumnType::numeric:
      return mask_of(Kind::int64) | mask_of(Kind::float64);
    case ColumnType::text:
      return mask_of(Kind::string);
    case ColumnType::json:
      return any_mask & static_cast<KindMask>(~mask_of(Kind::bytes));
    case ColumnType::bytes:
      return mask_of(Kind::bytes);
    case ColumnType::other:  // the server judges
      return mask_of(Kind::string) | mask_of(Kind::int64) | mask_of(Kind::float64);
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

/// The column that the first value of `column` wants; nullopt where there is none.
std::optional<TableColumn> wanted_by(const std::string& name, const Column& column) {
  for (std::size_t i = 0; i < column.size(); ++i) {
    if (!column.is_null(i) && column.kind(i) != Kind::invalid) return column_for(name, column.kind(i));
  }
  return std::nullopt;
}

void check_range(const TableColumn& known, const Column& column, RowErrors& errors) {
  const bool is_short = known.type == ColumnType::int16;
  const std::int64_t least =
      is_short ? std::numeric_limits<std::int16_t>::min() : std::numeric_limits<std::int32_t>::min();
  const std::int64_t most =
      is_short ? std::numeric_limits<std::int16_t>::max() : std::numeric_limits<std::int32_t>::max();
  for (std::size_t i = 0; i < column.size(); ++i) {
    if (column.kind(i) != Kind::int64 || (column.int64(i) >= least && column.int64(i) <= most)) continue;
    errors.add(
        i, BadRowKind::range,
        fmt::format("column {}: wanted a whole number from {} to {}, since the table has it as {}, found {}",
                    quoted(known.name), least, most, known.spelled, column.int64(i)));
  }
}

}  // namespace

const TableColumn* TableShape::find(std::string_view name) const noexcept {
  const auto found =
      std::find_if(columns_.begin(), columns_.end(), [&](const auto& column) { return column.name == name; });
  return found == columns_.end() ? nullptr : &*found;
}

TableColumn* TableShape::known(std::string_view name) noexcept {
  return const_cast<TableColumn*>(std::as_const(*this).find(name));
}

void TableShape::add(const std::string& name, ColumnType type, std::string spelled) {
  if (find(name) == nullptr) columns_.push_back({name, type, std::move(spelled)});
}

void TableShape::fit(const std::string& name, const Column& column, RowErrors& errors) {
  if (column.mask() == 0) return;
  TableColumn* known = this->known(name);
  if (known == nullptr && name.size() > longest_name) {
    for (std::size_t i = 0; i < column.size(); ++i) {
      if (column.is_null(i)) continue;
      errors.add(
          i, BadRowKind::too_large,
          fmt::format("wanted a name of at most {} bytes for a column of PostgreSQL, found {}; rename it",
                      longest_name, quoted(name)));
    }
    return;
  }
  if (known == nullptr) {
    const auto wanted = wanted_by(name, column);
    if (!wanted) return;
    columns_.push_back(*wanted);
    known = &columns_.back();
  }
  const KindMask found = column.mask() & static_cast<KindMask>(~invalid_mask);
  if (known->type == ColumnType::int64 && in(Kind::float64, found))
    *known = {known->name, ColumnType::floating, "double precision"};
  const KindMask wanted = taken(known->type);
  if ((found & static_cast<KindMask>(~wanted)) != 0) {
    for (std::size_t i = 0; i < column.size(); ++i) {
      const Kind kind = column.kind(i);
      if (kind == Kind::null || kind == Kind::invalid || in(kind, wanted)) continue;
      errors.add(
          i, BadRowKind::type,
          fmt::format("column {}: the table has it as {}, found {}; convert it with astype, or give it "
                      "another name",
                      quoted(name), known->spelled, describe(column, i)));
    }
  }
  if (known->type == ColumnType::int16 || known->type == ColumnType::int32)
    check_range(*known, column, errors);
}

std::vector<std::string> TableShape::changes_of(const std::string& table, const TableShape& actual) const {
  std::vector<std::string> statements;
  for (const TableColumn& wanted : columns_) {
    const TableColumn* found = actual.find(wanted.name);
    if (found == nullptr) {
      statements.push_back(fmt::format("ALTER TABLE {} ADD COLUMN IF NOT EXISTS {} {}",
                                       table_identifier(table), identifier(wanted.name), wanted.spelled));
    } else if (found->type == ColumnType::int64 && wanted.type == ColumnType::floating) {
      statements.push_back(fmt::format("ALTER TABLE {} ALTER COLUMN {} TYPE double precision",
                                       table_identifier(table), identifier(wanted.name)));
    }
  }
  return statements;
}

bool still_fits(const TableColumn& actual, const TableColumn& wanted) noexcept {
  const bool is_float = actual.type == ColumnType::floating || actual.type == ColumnType::numeric;
  return actual.type == wanted.type || (is_float && wanted.type == ColumnType::int64);
}

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
      "SELECT a.attname, t.typname, pg_catalog.format_type(a.atttypid, a.atttypmod) "
      "FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid "
      "WHERE a.attrelid = $1::oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum",
      {std::string(*kind.at(0, 1))});
  std::vector<TableColumn> columns;
  for (std::size_t i = 0; i < rows.size(); ++i)
    columns.push_back(
        {std::string(*rows.at(i, 0)), type_called(*rows.at(i, 1)), std::string(*rows.at(i, 2))});
  return TableShape(std::move(columns));
}

}  // namespace tiderace::postgres
