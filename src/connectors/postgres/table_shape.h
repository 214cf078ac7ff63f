#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "columnar/batch.h"
#include "connectors/postgres/connection.h"

namespace tiderace::postgres {

/// What a column of a table takes.
enum class ColumnType { boolean, int16, int32, int64, floating, numeric, text, json, bytes, other };

struct TableColumn {
  std::string name;
  ColumnType type = ColumnType::other;
  std::string spelled;  ///< as PostgreSQL calls the type
};

/// The columns of a table as they are, and as rows that are on their way want them: new columns for new
/// fields, bigint made double precision where floats come. One thread.
class TableShape {
 public:
  TableShape() = default;
  explicit TableShape(std::vector<TableColumn> columns) : columns_(std::move(columns)) {}

  [[nodiscard]] const std::vector<TableColumn>& columns() const noexcept { return columns_; }
  [[nodiscard]] const TableColumn* find(std::string_view name) const noexcept;
  /// Makes it fit the values of `column` as far as that can be; rows whose value does not fit are added to
  /// `errors`. A column without a value makes none.
  void fit(const std::string& name, const Column& column, RowErrors& errors);
  /// A column of a type of its own, as the sink's options ask for.
  void add(const std::string& name, ColumnType type, std::string spelled);

  /// What brings a table of the shape `actual` to this one: statements without end, each good to be done
  /// twice.
  [[nodiscard]] std::vector<std::string> changes_of(const std::string& table, const TableShape& actual) const;

 private:
  [[nodiscard]] TableColumn* known(std::string_view name) noexcept;

  std::vector<TableColumn> columns_;
};

/// Whether a column takes what was made for `wanted`.
[[nodiscard]] bool still_fits(const TableColumn& actual, const TableColumn& wanted) noexcept;

/// The columns of `table`; nullopt if there is no such table. Throws Failure{refused} if it is a view or the
/// like.
[[nodiscard]] std::optional<TableShape> read_shape(Connection& connection, const std::string& table);

}  // namespace tiderace::postgres
