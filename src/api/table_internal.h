#pragma once

#include <tiderace/table.h>

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "columnar/arrow_in.h"
#include "columnar/arrow_out.h"
#include "columnar/function.h"

namespace tiderace {

/// What a table is made of: columns, or Arrow memory that becomes columns where it is read.
struct Table::Data {
  std::vector<ArrowColumn> columns;
  std::shared_ptr<const ArrowTable> arrow;  ///< if set, `columns` is empty
  std::size_t rows = 0;

  [[nodiscard]] std::vector<std::string> names() const;
  [[nodiscard]] bool has(const std::string& name) const;
  /// The Arrow type that a column came with, or an empty text.
  [[nodiscard]] std::string format(const std::string& name) const;
  /// Rows [begin, begin + size) of the value at `path`; inside structs and nested JSON where it has more than
  /// one name. A row in which the path leads through something else than an object is Kind::invalid. Throws
  /// Error{plan} if there is no such column.
  [[nodiscard]] Column column(std::span<const std::string> path, std::size_t begin, std::size_t size) const;
  /// How long one unit is, in a column of an Arrow timestamp or date type.
  [[nodiscard]] std::optional<std::int64_t> unit_ns(const std::string& name) const;
};

/// The engine's way into a table.
struct TableAccess {
  [[nodiscard]] static Table make(std::vector<ArrowColumn> columns, std::size_t rows);
  [[nodiscard]] static Table make(std::vector<NamedColumn> columns, std::size_t rows);
  [[nodiscard]] static const Table::Data& data(const Table& table);
  /// All of it, converted.
  [[nodiscard]] static std::vector<NamedColumn> columns(const Table& table);
};

/// Reads a file whole. Throws Error{plan} that says why it cannot be read.
[[nodiscard]] std::string read_file(const std::string& path);

/// The sound rows of an NDJSON text.
struct NdjsonRows {
  std::vector<NamedColumn>
      columns;  ///< the fields of all sound lines, in the order of their first appearance
  std::vector<std::uint32_t>
      rows;                        ///< per row: which of the records (lines that are not blank) it is, from 0
  std::vector<std::size_t> lines;  ///< per record: its line, from 1
};
/// Lines that are no sound JSON object are left out and added to `errors` under the number of their record.
[[nodiscard]] NdjsonRows read_ndjson_rows(std::string text, RowErrors& errors);

/// The values at `path`, which begins with the name of `column`, inside its nested values; null where one is
/// null or lacks it, Kind::invalid where the path leads through something else than an object.
[[nodiscard]] Column values_inside(const Column& column, std::span<const std::string> path);

}  // namespace tiderace
