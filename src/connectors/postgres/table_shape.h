#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "columnar/batch.h"
#include "columnar/function.h"
#include "connectors/postgres/connection.h"

namespace tiderace::postgres {

/// What a column of a table takes.
enum class ColumnType {
  boolean,
  int16,
  int32,
  int64,
  real,      ///< single precision
  floating,  ///< double precision
  numeric,
  text,
  json,
  bytes,
  other,     ///< texts, as the server reads them
  generated  ///< nothing
};

struct TableColumn {
  std::string name;
  ColumnType type = ColumnType::other;
  std::string spelled;       ///< as PostgreSQL calls the type
  bool large = false;        ///< int64: it is given integers that no double precision is
  bool has_default = false;  ///< other than null, for rows that have no value
};

/// What a server has refused to change, and why: rows that need it are bad.
struct RefusedChanges {
  std::map<std::string, std::string> columns;
  std::string new_columns;  ///< why there is none; empty: there are
  [[nodiscard]] bool empty() const noexcept { return columns.empty() && new_columns.empty(); }
};

/// A statement that changes a column.
struct TableChange {
  std::string column;
  bool is_new = false;
  std::string statement;
};

/// The columns of a table as they are, and as rows that are on their way want them: new columns for new
/// fields, bigint made double precision where floats come. One thread.
class TableShape {
 public:
  TableShape() = default;
  explicit TableShape(std::vector<TableColumn> columns) : columns_(std::move(columns)) {}

  [[nodiscard]] const std::vector<TableColumn>& columns() const noexcept { return columns_; }
  [[nodiscard]] const TableColumn* find(std::string_view name) const noexcept;
  /// Makes it fit the rows of `columns`, each of `size`, as far as that can be, one after the other: those
  /// with a value that does not fit are added to `errors`, and rows that are there change nothing. A column
  /// without a value makes none.
  void fit(const std::vector<NamedColumn>& columns, std::size_t size, const RefusedChanges& refused,
           RowErrors& errors);
  /// What rows that are on their way want of `column` beyond what is there.
  void widen(const TableColumn& column);
  /// A column of a type of its own, as the sink's options ask for.
  void add(const std::string& name, ColumnType type, std::string spelled);

  /// What brings a table of the shape `actual` to this one: statements without end, each good to be done
  /// twice.
  [[nodiscard]] std::vector<TableChange> changes_of(const std::string& table, const TableShape& actual) const;

 private:
  static constexpr std::size_t unknown = SIZE_MAX;
  [[nodiscard]] std::size_t place_of(std::string_view name) const noexcept;
  /// Whether `column` fits without a change, and no row of it can be bad.
  [[nodiscard]] bool takes(std::size_t place, const Column& column) const noexcept;
  void check(const NamedColumn& named, std::size_t place, std::size_t i, const RefusedChanges& refused,
             RowErrors& errors) const;
  void learn(const NamedColumn& named, std::size_t& place, std::size_t i);

  std::vector<TableColumn> columns_;
};

/// Whether a column takes what was made for `wanted`.
[[nodiscard]] bool still_fits(const TableColumn& actual, const TableColumn& wanted) noexcept;

/// Another text once somebody has changed `table`, what hangs on it, or this role's rights to change it;
/// empty if there is no such table.
[[nodiscard]] std::string state_of(Connection& connection, const std::string& table);

/// The columns of `table`; nullopt if there is no such table. Throws Failure{refused} if it is a view or the
/// like.
[[nodiscard]] std::optional<TableShape> read_shape(Connection& connection, const std::string& table);

}  // namespace tiderace::postgres
