#include <gtest/gtest.h>
#include <tiderace/error.h>
#include <tiderace/row.h>

#include <limits>

#include "api/row_function.h"
#include "api/row_json.h"

namespace tiderace {
namespace {

TEST(Row, KeepsOrderAndReadsBack) {
  const std::string text = R"({"b":1,"a":{"x":[true,null,2.0,"q\"",-7]},"c":"ü"})";
  const Value value = parse_value(text);
  EXPECT_EQ(value.to_string(), text);
  EXPECT_EQ(value["a"]["x"].get<Array>()[4].get<std::int64_t>(), -7);
  EXPECT_EQ(value["b"].get<double>(), 1.0);
}

TEST(Row, ChangesInPlace) {
  Row row{{"a", 1}, {"b", "x"}};
  row["c"] = row["a"].get<std::int64_t>() + 1;
  row.erase("a");
  EXPECT_FALSE(row.contains("a"));
  EXPECT_EQ(Value(row).to_string(), R"({"b":"x","c":2})");
  const Row& constant = row;
  EXPECT_THROW((void)constant["zzz"], Error);
  EXPECT_THROW((void)row["b"].get<double>(), Error);
}

TEST(Row, WritesInfinitiesAsAsked) {
  const Value value = std::numeric_limits<double>::infinity();
  std::string word;
  append_json(word, value, NotFinite::as_word);
  EXPECT_EQ(word, "Infinity");
  EXPECT_EQ(parse_value(word), value);
  EXPECT_EQ(value.to_string(), "null");
  EXPECT_THROW((void)parse_value("{"), JsonFault);
}

TEST(RowFunction, TurnsExceptionsIntoBadRows) {
  const auto function =
      make_row_function([](Row& row, State*) -> Value { return row["x"].get<std::int64_t>() * 2; });
  const std::vector<std::string_view> rows{R"({"x":1})", R"({"x":"a"})", R"({"x":3})"};
  ColumnBuilder results(rows.size());
  RowErrors errors;
  function->call(rows, {}, nullptr, results, errors);
  const Column column(std::move(results));
  EXPECT_EQ(column.int64(0), 2);
  EXPECT_TRUE(column.is_null(1));
  EXPECT_EQ(column.int64(2), 6);
  const auto entries = errors.take();
  ASSERT_EQ(entries.size(), 1u);
  EXPECT_EQ(entries[0].row, 1u);
  EXPECT_EQ(entries[0].kind, BadRowKind::function);
}

TEST(ValueFunction, SeesNullsToo) {
  const auto function = make_value_function(
      [](const Value& value) -> Value { return value.is_null() ? Value("none") : value; });
  ColumnBuilder results(2);
  RowErrors errors;
  ColumnBuilder input(2);
  input.set_null(0);
  input.set_float64(1, 2.5);
  function->call(Column(std::move(input)), results, errors);
  const Column column(std::move(results));
  EXPECT_EQ(column.text(0), "none");
  EXPECT_EQ(column.float64(1), 2.5);
}

}  // namespace
}  // namespace tiderace
