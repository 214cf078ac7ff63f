// What the columns of a sink's place hold, as it is learned from rows and told by the place.

#include "connectors/column_kinds.h"

#include <gtest/gtest.h>

namespace tiderace {
namespace {

using enum ColumnKinds::OnTheirWay;

constexpr std::int64_t large = (std::int64_t{1} << 53) + 1;

std::size_t bad(ColumnKinds& kinds, const auto& set) {
  ColumnBuilder column(1);
  set(column);
  RowErrors errors;
  kinds.judge({{"n", Column(std::move(column))}}, 1, errors);
  return errors.take().size();
}
std::size_t bad_integer(ColumnKinds& kinds, std::int64_t value) {
  return bad(kinds, [&](ColumnBuilder& column) { column.set_int64(0, value); });
}
std::size_t bad_float(ColumnKinds& kinds, double value) {
  return bad(kinds, [&](ColumnBuilder& column) { column.set_float64(0, value); });
}

TEST(ColumnKinds, AreNotNarrowedWhileRowsAreOnTheirWay) {
  ColumnKinds kinds;
  kinds.tell({{"n", "int64"}}, none);
  EXPECT_EQ(bad_float(kinds, 0.5), 0u);  // on its way into a column that is one of integers still
  kinds.tell({{"n", "int64"}}, some);
  EXPECT_EQ(bad_integer(kinds, large), 1u);
  EXPECT_EQ(bad_integer(kinds, 7), 0u);
}

TEST(ColumnKinds, AreThoseOfThePlaceWhereNoRowIsOnItsWay) {
  ColumnKinds kinds;
  kinds.tell({{"n", "float64"}}, none);
  EXPECT_EQ(bad_integer(kinds, large), 1u);
  kinds.tell({{"n", "int64"}}, none);
  EXPECT_EQ(bad_integer(kinds, large), 0u);
  EXPECT_EQ(bad_float(kinds, 0.5), 1u);
  kinds.tell({{"n", "int64"}}, none);  // says nothing of how large they are
  EXPECT_EQ(bad_float(kinds, 0.5), 1u);
  kinds.tell({{"n", "float64"}}, none);
  EXPECT_EQ(bad_float(kinds, 0.5), 0u);
}

TEST(ColumnKinds, OfIntegersThatNoFloatIsTakeNoFloats) {
  ColumnKinds kinds;
  kinds.tell({{"n", "integer"}}, none);
  EXPECT_EQ(bad_float(kinds, 0.5), 1u);
  EXPECT_EQ(bad_integer(kinds, 1), 0u);
}

}  // namespace
}  // namespace tiderace
