// A table's columns, as they are and as rows on their way want them.

#include "connectors/postgres/table_shape.h"

#include <gtest/gtest.h>

namespace tiderace::postgres {
namespace {

TableShape read() {
  return TableShape({{"n", ColumnType::int64, "bigint"}});
}

void fit(TableShape& shape, const std::string& name, const auto& set) {
  ColumnBuilder column(1);
  set(column);
  RowErrors errors;
  shape.fit({{name, Column(std::move(column))}}, 1, {}, errors);
  EXPECT_TRUE(errors.empty());
}

TEST(TableShape, WhatRowsOnTheirWayWantIsKeptWhereTheTableIsReadAnew) {
  TableShape wanted = read();
  fit(wanted, "n", [](ColumnBuilder& column) { column.set_float64(0, 0.5); });
  fit(wanted, "new", [](ColumnBuilder& column) { column.set_float64(0, 0.5); });
  TableShape anew = read();
  for (const TableColumn& column : wanted.columns()) anew.widen(column);
  const auto changes = anew.changes_of("t", read());
  ASSERT_EQ(changes.size(), 2u);
  EXPECT_EQ(changes[0].statement, R"(ALTER TABLE "t" ALTER COLUMN "n" TYPE double precision)");
  EXPECT_EQ(changes[1].statement, R"(ALTER TABLE "t" ADD COLUMN IF NOT EXISTS "new" double precision)");
}

TEST(TableShape, IsNotNarrowedByRowsOnTheirWay) {
  TableShape wanted = read();
  fit(wanted, "n", [](ColumnBuilder& column) { column.set_int64(0, (std::int64_t{1} << 53) + 1); });
  TableShape anew({{"n", ColumnType::floating, "double precision"}});
  anew.widen(wanted.columns().front());
  EXPECT_EQ(anew.columns().front().type, ColumnType::floating);
  TableShape integers = read();
  integers.widen(wanted.columns().front());
  EXPECT_TRUE(integers.columns().front().large);
  EXPECT_FALSE(still_fits({"n", ColumnType::floating, "double precision"}, integers.columns().front()));
}

}  // namespace
}  // namespace tiderace::postgres
