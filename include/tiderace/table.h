#pragma once

#include <tiderace/export.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

struct ArrowArrayStream;

namespace TIDERACE_API tiderace {

/// A bounded table in memory: what a backtest takes and gives. Immutable, cheap to copy.
///
/// ```cpp
/// const tiderace::Table rides = tiderace::Table::read_csv("ride.csv");
/// for (const std::optional<double>& speed : rides.column<double>("speed")) { ... }
/// ```
///
/// *Errors*: `Error` of kind `plan`, with what was wanted and found. *Threads*: any.
class Table {
 public:
  /// The values of a new column; an empty optional is null.
  using Values = std::variant<std::vector<double>, std::vector<std::int64_t>, std::vector<std::string>,
                              std::vector<std::optional<double>>, std::vector<std::optional<std::int64_t>>,
                              std::vector<std::optional<bool>>, std::vector<std::optional<std::string>>>;

  /// No columns, no rows.
  Table();
  /// Columns of one length: `Table({{"x", std::vector<double>{1, 2}}})`.
  explicit Table(std::vector<std::pair<std::string, Values>> columns);
  ~Table();
  Table(const Table&);
  Table(Table&&) noexcept;
  Table& operator=(const Table&);
  Table& operator=(Table&&) noexcept;

  /// A file with a JSON object a line. Its columns are the fields of all lines in the order of their first
  /// appearance; an absent field is null. A line that is no sound JSON object is an error that names it.
  [[nodiscard]] static Table read_ndjson(const std::string& path);
  /// A CSV file with a header. Kinds are inferred a column as pandas does, but that ints beside empty fields
  /// stay ints.
  [[nodiscard]] static Table read_csv(const std::string& path);
  /// Takes over an Arrow C stream (`__arrow_c_stream__`); `stream` is released. Without copying: values are
  /// converted when they are read.
  [[nodiscard]] static Table from_arrow(ArrowArrayStream* stream);

  /// Makes `out` an Arrow C stream of this table, to be released by its consumer. A column has the type that
  /// it came with, or the widest type of its values (int64 → double); otherwise mixed kinds are an error that
  /// names the column.
  void to_arrow(ArrowArrayStream* out) const;

  [[nodiscard]] std::size_t num_rows() const noexcept;
  [[nodiscard]] std::vector<std::string> column_names() const;
  /// The values of a column, null as an empty optional. T is `double` (ints too), `std::int64_t`, `bool` or
  /// `std::string` (nested values too, as JSON text). A value of another kind is an error.
  template <class T>
  [[nodiscard]] std::vector<std::optional<T>> column(const std::string& name) const;

 private:
  friend struct TableAccess;
  struct Data;
  explicit Table(std::shared_ptr<const Data> data);
  std::shared_ptr<const Data> data_;
};

extern template std::vector<std::optional<double>> Table::column<double>(const std::string& name) const;
extern template std::vector<std::optional<std::int64_t>> Table::column<std::int64_t>(
    const std::string& name) const;
extern template std::vector<std::optional<bool>> Table::column<bool>(const std::string& name) const;
extern template std::vector<std::optional<std::string>> Table::column<std::string>(
    const std::string& name) const;

}  // namespace tiderace
