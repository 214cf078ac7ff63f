#include "table.h"

#include <fmt/format.h>

#include <unordered_map>
#include <utility>

#include "api/table_internal.h"
#include "arguments.h"
#include "arrow_capsule.h"
#include "base/error.h"
#include "bindings.h"
#include "python_to_json.h"

namespace tiderace::python {
namespace {

/// The columns of a list of dicts, in the order of their first appearance.
class Rows {
 public:
  explicit Rows(std::size_t size) : size_(size) {}

  void set(std::size_t row, nb::handle name, nb::handle value) {
    if (!nb::isinstance<nb::str>(name)) {
      throw_error(ErrorKind::plan, "row {}: wanted names of fields that are str, found {}", row,
                  nb::cast<std::string>(nb::repr(name)));
    }
    const std::string text = bytes_of(name, "the name of a field");
    const auto [found, added] = index_.emplace(text, columns_.size());
    if (added) add(text);
    try {
      set_value(columns_[found->second].second, row, value);
    } catch (const UnfitValue& unfit) {
      throw_error(ErrorKind::plan, "row {}, field \"{}\": {}", row, text, unfit.message);
    }
  }

  Table table() && {
    std::vector<NamedColumn> columns;
    for (auto& [name, builder] : columns_) columns.push_back({name, Column(std::move(builder))});
    return TableAccess::make(std::move(columns), size_);
  }

 private:
  void add(const std::string& name) {
    columns_.emplace_back(name, ColumnBuilder(size_));
    for (std::size_t i = 0; i < size_; ++i) columns_.back().second.set_null(i);
  }

  std::size_t size_;
  std::vector<std::pair<std::string, ColumnBuilder>> columns_;
  std::unordered_map<std::string, std::size_t> index_;
};

InputTable of_rows(nb::list rows) {
  Rows columns(nb::len(rows));
  std::size_t i = 0;
  for (const nb::handle row : rows) {
    if (!nb::isinstance<nb::dict>(row)) {
      throw_error(ErrorKind::plan, "row {}: wanted a dict, found {}", i,
                  nb::cast<std::string>(nb::repr(row.type())));
    }
    for (const auto [name, value] : nb::borrow<nb::dict>(row)) columns.set(i, name, value);
    ++i;
  }
  return {std::move(columns).table()};
}

/// One row a line of the file; lines that are no sound JSON object are null rows.
InputTable read_ndjson(const std::string& path) {
  RowErrors errors;
  NdjsonRows read = read_ndjson_rows(read_file(path), errors);
  const std::size_t size = read.lines.size();
  InputTable input{Table(), errors.take()};
  if (!input.bad.empty()) {
    std::vector<bool> sound(size, false);
    for (const std::uint32_t row : read.rows) sound[row] = true;
    for (NamedColumn& named : read.columns) {
      ColumnBuilder builder(size);
      for (std::size_t i = 0, next = 0; i < size; ++i) {
        if (sound[i])
          builder.copy(i, named.column, next++);
        else
          builder.set_null(i);
      }
      named.column = Column(std::move(builder));
    }
  }
  input.table = TableAccess::make(std::move(read.columns), size);
  return input;
}

}  // namespace

void bind_table(nb::module_& module) {
  nb::class_<Table>(module, "Table")
      .def(
          "__arrow_c_stream__", [](const Table& self, nb::handle) { return to_capsule(self); },
          nb::arg("requested_schema").none() = nb::none(),
          nb::sig("def __arrow_c_stream__(self, requested_schema: object = None) -> object"));
  nb::class_<InputTable>(module, "InputTable")
      .def_static(
          "from_arrow", [](nb::handle data) { return InputTable{from_capsule(data)}; },
          nb::sig("def from_arrow(data: object) -> InputTable"))
      .def_static("of_rows", &of_rows, nb::arg("rows"),
                  nb::sig("def of_rows(rows: list[typing.Any]) -> InputTable"))
      .def_static("read_ndjson", &read_ndjson)
      .def_static("read_csv", [](const std::string& path) { return InputTable{Table::read_csv(path)}; });
}

}  // namespace tiderace::python
