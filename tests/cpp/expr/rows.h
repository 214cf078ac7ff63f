#pragma once

#include <fmt/format.h>

#include <string>
#include <vector>

#include "columnar/batch.h"
#include "expr/evaluate.h"
#include "expr/expression.h"
#include "expr/text/spelling.h"

namespace tiderace::testing {

using Row = std::vector<Scalar>;

inline ExpressionPtr column(const std::string& name) {
  return make_expression(ColumnReference{{name}});
}
inline ExpressionPtr literal(Scalar value) {
  return make_expression(Literal{std::move(value)});
}
inline ExpressionPtr literal(int value) {
  return literal(Scalar{std::int64_t{value}});
}
inline ExpressionPtr literal(double value) {
  return literal(Scalar{value});
}
inline ExpressionPtr literal(bool value) {
  return literal(Scalar{value});
}
inline ExpressionPtr literal(const char* value) {
  return literal(Scalar{std::string(value)});
}
inline ExpressionPtr unary(UnaryOperator op, ExpressionPtr argument) {
  return make_expression(Unary{op, std::move(argument)});
}
inline ExpressionPtr binary(BinaryOperator op, ExpressionPtr left, ExpressionPtr right) {
  return make_expression(Binary{op, std::move(left), std::move(right)});
}

/// Strings that begin with `{` or `[` become nested values.
inline Column column_of(const std::vector<Scalar>& values) {
  ColumnBuilder out(values.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (std::holds_alternative<std::monostate>(values[i])) out.set_null(i);
    if (const auto* value = std::get_if<bool>(&values[i])) out.set_boolean(i, *value);
    if (const auto* value = std::get_if<std::int64_t>(&values[i])) out.set_int64(i, *value);
    if (const auto* value = std::get_if<double>(&values[i])) out.set_float64(i, *value);
    if (const auto* value = std::get_if<std::string>(&values[i])) {
      const bool nested = value->starts_with('{') || value->starts_with('[');
      out.set_text(i, nested ? Kind::nested : Kind::string, *value);
    }
  }
  return Column(std::move(out));
}

/// A batch with the columns `a`, `b`, `c`, ... in slots 0, 1, 2, ...
inline Batch batch_of(std::vector<Column> columns) {
  Batch batch;
  batch.rows.resize(columns.front().size());
  for (std::uint32_t i = 0; i < batch.rows.size(); ++i) batch.rows[i] = i;
  batch.columns = std::move(columns);
  return batch;
}

inline Batch batch_of(const std::vector<Row>& rows) {
  std::vector<Column> columns;
  for (std::size_t k = 0; k < rows.front().size(); ++k) {
    std::vector<Scalar> values;
    for (const Row& row : rows) values.push_back(row[k]);
    columns.push_back(column_of(values));
  }
  return batch_of(std::move(columns));
}

/// A value in one word: `null true 2 2.0 "a"`.
inline std::string value_text(const Column& column, std::size_t i) {
  switch (column.kind(i)) {
    case Kind::null:
      return "null";
    case Kind::boolean:
      return column.boolean(i) ? "true" : "false";
    case Kind::int64:
      return fmt::format("{}", column.int64(i));
    case Kind::float64:
      return float_text(column.float64(i));
    case Kind::string:
      return quoted(column.text(i));
    default:
      return fmt::format("{} {}", to_string(column.kind(i)), column.text(i));
  }
}

inline Evaluator evaluator_of(const ExpressionPtr& expression) {
  return Evaluator(expression,
                   [](const ColumnReference& reference) { return Slot(reference.path.front()[0] - 'a'); });
}

/// The result of every row, or `bad type: <message>`.
inline std::vector<std::string> results(const ExpressionPtr& expression, const Batch& batch) {
  RowErrors errors;
  const Column column = evaluator_of(expression).evaluate(batch, errors);
  std::vector<std::string> texts;
  for (std::size_t i = 0; i < batch.size(); ++i) {
    const bool stray = column.is_null(i) && column.values()[i] != 0;
    texts.push_back(stray ? "null with a payload" : value_text(column, i));
  }
  for (const RowErrors::Entry& entry : errors.take()) {
    texts[entry.row] = fmt::format("bad {}: {}", to_string(entry.kind), entry.message);
  }
  return texts;
}

inline std::string result(const ExpressionPtr& expression, const Row& row) {
  return results(expression, batch_of(std::vector<Row>{row})).front();
}

inline const Scalar null{};
inline Scalar integer(std::int64_t value) {
  return value;
}

}  // namespace tiderace::testing
