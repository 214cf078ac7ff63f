#include <tiderace/table.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "api/table_internal.h"
#include "base/error.h"
#include "columnar/arrow_values.h"
#include "columnar/invalid.h"
#include "formats/csv/reader.h"

namespace tiderace {

std::vector<std::string> Table::Data::names() const {
  std::vector<std::string> names;
  for (const ArrowColumn& column : columns) names.push_back(column.name);
  if (arrow) {
    for (const ArrowTable::Field& field : arrow->fields()) names.push_back(field.name);
  }
  return names;
}

bool Table::Data::has(const std::string& name) const {
  const std::vector<std::string> all = names();
  return std::find(all.begin(), all.end(), name) != all.end();
}

std::string Table::Data::format(const std::string& name) const {
  for (const ArrowColumn& column : columns) {
    if (column.name == name) return column.format;
  }
  if (arrow) {
    for (const ArrowTable::Field& field : arrow->fields()) {
      if (field.name == name) return field.format;
    }
  }
  return "";
}

Column Table::Data::column(std::span<const std::string> path, std::size_t begin, std::size_t size) const {
  TIDERACE_CHECK(!path.empty());
  if (arrow) {
    if (arrow->has(path)) return arrow->column(path, begin, size);
    if (!arrow->has(path.first(1)))
      return arrow->column(path.first(1), begin, size);  // says which columns there are
    return values_inside(arrow->column(path.first(1), begin, size), path);
  }
  const auto found = std::find_if(columns.begin(), columns.end(),
                                  [&](const auto& column) { return column.name == path.front(); });
  if (found == columns.end()) {
    std::string all;
    for (const std::string& name : names()) all += (all.empty() ? "" : ", ") + name;
    throw_error(ErrorKind::plan, "there is no column \"{}\" in the table; it has {}", path.front(), all);
  }
  const bool whole = begin == 0 && size == found->column.size();
  const Column rows = whole ? found->column : found->column.slice(begin, size);
  return path.size() == 1 ? rows : values_inside(rows, path);
}

std::optional<std::int64_t> Table::Data::unit_ns(const std::string& name) const {
  return arrow_unit_ns(format(name));
}

Table TableAccess::make(std::vector<ArrowColumn> columns, std::size_t rows) {
  auto data = std::make_shared<Table::Data>();
  for (const ArrowColumn& column : columns) {
    if (column.column.size() != rows) {
      throw_error(ErrorKind::plan,
                  "the columns of a table must be of one length: wanted {} rows, \"{}\" has {}", rows,
                  column.name, column.column.size());
    }
    if (data->has(column.name))
      throw_error(ErrorKind::plan, "a table has two columns of the name \"{}\"; rename one", column.name);
    data->columns.push_back(column);
  }
  data->rows = rows;
  return Table(std::move(data));
}

Table TableAccess::make(std::vector<NamedColumn> columns, std::size_t rows) {
  std::vector<ArrowColumn> made;
  for (NamedColumn& column : columns) {
    made.push_back(
        {std::move(column.name), std::move(column.column), std::string(arrow_format(column.when_empty))});
  }
  return make(std::move(made), rows);
}

const Table::Data& TableAccess::data(const Table& table) {
  return *table.data_;
}

std::vector<NamedColumn> TableAccess::columns(const Table& table) {
  std::vector<NamedColumn> columns;
  for (std::string& name : table.data_->names()) {
    Column column = table.data_->column({&name, 1}, 0, table.data_->rows);
    columns.push_back({std::move(name), std::move(column)});
  }
  return columns;
}

std::string read_file(const std::string& path) {
  const auto refuse = [&] { throw_error(ErrorKind::plan, "cannot read {}: {}", path, std::strerror(errno)); };
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rb"), std::fclose);
  if (!file) refuse();
  std::string text;
  std::size_t size = 0;
  do {
    text.resize(size + (std::size_t{1} << 20));
    const std::size_t read = std::fread(text.data() + size, 1, text.size() - size, file.get());
    size += read;
    if (std::ferror(file.get()) != 0) refuse();
  } while (std::feof(file.get()) == 0);
  text.resize(size);
  return text;
}

namespace {

void set_value(ColumnBuilder& out, std::size_t i, double value) {
  out.set_float64(i, value);
}
void set_value(ColumnBuilder& out, std::size_t i, std::int64_t value) {
  out.set_int64(i, value);
}
void set_value(ColumnBuilder& out, std::size_t i, bool value) {
  out.set_boolean(i, value);
}
void set_value(ColumnBuilder& out, std::size_t i, const std::string& value) {
  out.set_text(i, Kind::string, value);
}
template <class T>
void set_value(ColumnBuilder& out, std::size_t i, const std::optional<T>& value) {
  if (value)
    set_value(out, i, *value);
  else
    out.set_null(i);
}

Column column_of(const Table::Values& values) {
  return std::visit(
      [](const auto& vector) {
        ColumnBuilder out(vector.size());
        for (std::size_t i = 0; i < vector.size(); ++i) set_value(out, i, vector[i]);
        return Column(std::move(out));
      },
      values);
}

void get_value(const Column& column, std::size_t i, double& value) {
  value = column.as_double(i);
}
void get_value(const Column& column, std::size_t i, std::int64_t& value) {
  value = column.int64(i);
}
void get_value(const Column& column, std::size_t i, bool& value) {
  value = column.boolean(i);
}
void get_value(const Column& column, std::size_t i, std::string& value) {
  value = column.text(i);
}

template <class T>
struct Wanted;
template <>
struct Wanted<double> {
  static constexpr KindMask kinds = mask_of(Kind::float64) | mask_of(Kind::int64);
  static constexpr const char* name = "double";
};
template <>
struct Wanted<std::int64_t> {
  static constexpr KindMask kinds = mask_of(Kind::int64);
  static constexpr const char* name = "std::int64_t";
};
template <>
struct Wanted<bool> {
  static constexpr KindMask kinds = mask_of(Kind::boolean);
  static constexpr const char* name = "bool";
};
template <>
struct Wanted<std::string> {
  static constexpr KindMask kinds = mask_of(Kind::string) | mask_of(Kind::nested);
  static constexpr const char* name = "std::string";
};

}  // namespace

template <class T>
std::vector<std::optional<T>> Table::column(const std::string& name) const {
  const Column column = data_->column({&name, 1}, 0, data_->rows);
  std::vector<std::optional<T>> values(column.size());
  for (std::size_t i = 0; i < column.size(); ++i) {
    if (column.is_null(i)) continue;
    if (!in(column.kind(i), Wanted<T>::kinds)) {
      const std::string why =
          column.kind(i) == Kind::invalid ? fmt::format(" ({})", invalid_view(column, i).message) : "";
      throw_error(ErrorKind::plan, "column<{}>(\"{}\"): row {} holds a value of kind {}{}", Wanted<T>::name,
                  name, i, to_string(column.kind(i)), why);
    }
    T value;
    get_value(column, i, value);
    values[i] = std::move(value);
  }
  return values;
}

template std::vector<std::optional<double>> Table::column<double>(const std::string& name) const;
template std::vector<std::optional<std::int64_t>> Table::column<std::int64_t>(const std::string& name) const;
template std::vector<std::optional<bool>> Table::column<bool>(const std::string& name) const;
template std::vector<std::optional<std::string>> Table::column<std::string>(const std::string& name) const;

Table::Table() : data_(std::make_shared<const Data>()) {}
Table::Table(std::shared_ptr<const Data> data) : data_(std::move(data)) {}
Table::Table(std::vector<std::pair<std::string, Values>> columns) {
  std::vector<ArrowColumn> made;
  for (const auto& [name, values] : columns) made.push_back({name, column_of(values)});
  const std::size_t rows = made.empty() ? 0 : made.front().column.size();
  *this = TableAccess::make(std::move(made), rows);
}
Table::~Table() = default;
Table::Table(const Table&) = default;
Table::Table(Table&& other) noexcept : data_(other.data_) {}
Table& Table::operator=(const Table&) = default;
Table& Table::operator=(Table&& other) noexcept {
  data_ = other.data_;
  return *this;
}

Table Table::read_ndjson(const std::string& path) {
  RowErrors errors;
  NdjsonRows read = read_ndjson_rows(read_file(path), errors);
  const std::vector<RowErrors::Entry> bad = errors.take();
  if (!bad.empty()) {
    BadRow row;
    row.kind = bad.front().kind;
    row.step = fmt::format("{} line {}", path, read.lines[bad.front().row]);
    row.offset = bad.front().row;
    row.message = bad.front().message;
    throw Error(std::move(row));
  }
  return TableAccess::make(std::move(read.columns), read.rows.size());
}

Table Table::read_csv(const std::string& path) {
  const std::string text = read_file(path);
  try {
    std::vector<NamedColumn> columns = read_csv_columns(text);
    const std::size_t rows = columns.front().column.size();
    return TableAccess::make(std::move(columns), rows);
  } catch (const Error& error) {
    throw error.within(path);
  }
}

Table Table::from_arrow(ArrowArrayStream* stream) {
  auto data = std::make_shared<Data>();
  data->arrow = std::make_shared<const ArrowTable>(stream);
  data->rows = data->arrow->num_rows();
  return Table(std::move(data));
}

void Table::to_arrow(ArrowArrayStream* out) const {
  std::vector<ArrowColumn> columns;
  for (NamedColumn& column : TableAccess::columns(*this)) {
    std::string format = data_->format(column.name);
    columns.push_back({std::move(column.name), std::move(column.column), std::move(format)});
  }
  export_arrow(std::move(columns), data_->rows, out);
}

std::size_t Table::num_rows() const noexcept {
  return data_->rows;
}
std::vector<std::string> Table::column_names() const {
  return data_->names();
}

}  // namespace tiderace
