#include "columnar/column.h"

#include <gtest/gtest.h>

#include <limits>

#include "columnar/invalid.h"

namespace tiderace {
namespace {

TEST(Column, NanIsNull) {
  ColumnBuilder builder(2);
  builder.set_float64(0, std::numeric_limits<double>::quiet_NaN());
  builder.set_float64(1, 2.5);
  const Column column(std::move(builder));
  EXPECT_TRUE(column.is_null(0));
  EXPECT_EQ(column.float64(1), 2.5);
  EXPECT_TRUE(column.has_null());
}

TEST(Column, KindsBelongToValuesNotToTheColumn) {
  ColumnBuilder builder(3);
  builder.set_int64(0, 1);
  builder.set_float64(1, 1.0);
  builder.set_text(2, Kind::string, "a");
  const Column column(std::move(builder));
  const Column taken = column.take(std::vector<std::uint32_t>{0, 2});
  EXPECT_EQ(column.mask(), mask_of(Kind::int64) | mask_of(Kind::float64) | mask_of(Kind::string));
  EXPECT_EQ(taken.kind(0), Kind::int64);
  EXPECT_EQ(taken.text(1), "a");
}

TEST(Column, InvalidValuesSayWhy) {
  ColumnBuilder builder(2);
  set_invalid(builder, 0, BadRowKind::range, "too big");
  builder.set_null(1);
  const Column column(std::move(builder));
  EXPECT_EQ(column.kind(0), Kind::invalid);
  EXPECT_EQ(invalid_view(column, 0).kind, BadRowKind::range);
  EXPECT_EQ(invalid_view(column, 0).message, "too big");
}

}  // namespace
}  // namespace tiderace
