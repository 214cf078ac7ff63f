// Rows for one commit, as texts of COPY.

#include "connectors/postgres/copy_load.h"

#include <gtest/gtest.h>

namespace tiderace::postgres {
namespace {

/// A row with a whole number in each of the columns named.
SinkRows row(const std::vector<std::string>& names, std::int64_t offset) {
  SinkRows rows;
  rows.partition = {"t", 0};
  rows.offsets = {offset};
  rows.event_time_ns = {0};
  rows.keys = {std::nullopt};
  for (const std::string& name : names) {
    ColumnBuilder column(1);
    column.set_int64(0, offset);
    rows.columns.push_back({name, Column(std::move(column))});
  }
  return rows;
}

TableShape table(const std::vector<std::string>& names, const std::string& with_default = {}) {
  std::vector<TableColumn> columns;
  for (const std::string& name : names)
    columns.push_back({name, ColumnType::int64, "bigint", false, name == with_default});
  return TableShape(std::move(columns));
}

std::string written(const CopyLoad& load) {
  std::string all;
  for (const CopyLoad::Segment& segment : load.segments()) {
    for (const std::string& name : segment.columns) all += name + " ";
    all += "| " + segment.text;
  }
  return all;
}

TEST(CopyLoad, NamesAColumnWithADefaultForRowsThatHaveAValueAlone) {
  CopyLoad load;
  const TableShape shape = table({"a", "b"}, "b");
  load.add(row({"a", "b"}, 1), {}, shape, {});
  load.add(row({"a"}, 2), {}, shape, {});
  load.add(row({"a"}, 3), {}, shape, {});
  load.add(row({"a", "b"}, 4), {}, shape, {});
  EXPECT_EQ(written(load), "a b | 1\t1\na | 2\n3\na b | 4\t4\n");
  EXPECT_EQ(CopyLoad::part(load.segments()[1], 2, 4), "3\n");
}

TEST(CopyLoad, NamesAColumnWithoutADefaultFromItsFirstValueOn) {
  CopyLoad load;
  const TableShape shape = table({"a", "b"});
  load.add(row({"a", "b"}, 1), {}, shape, {});
  load.add(row({"a"}, 2), {}, shape, {});
  EXPECT_EQ(written(load), "a b | 1\t1\n2\t\\N\n");
}

TEST(CopyLoad, GoesOnWhereAColumnThatOnlyBadRowsHadIsGone) {
  CopyLoad load;
  load.add(row({"a", "b"}, 1), {true}, table({"a", "b"}), {});
  EXPECT_TRUE(load.empty());
  load.add(row({"a"}, 2), {}, table({"a"}), {});
  EXPECT_EQ(written(load), "a b | a | 2\n");
}

}  // namespace
}  // namespace tiderace::postgres
