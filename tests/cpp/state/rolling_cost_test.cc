// The costs that RollingStore promises, counted, not timed.
#include <gtest/gtest.h>

#include <random>

#include "rolling_fixture.h"

namespace tiderace {
namespace {

std::vector<OracleRow> rows_from(std::int64_t first, std::size_t count,
                                 const std::function<double(std::int64_t)>& number) {
  std::vector<OracleRow> rows;
  for (std::size_t i = 0; i < count; ++i) {
    const std::int64_t at = first + static_cast<std::int64_t>(i);
    rows.push_back({.key = "k", .event_time = at, .values = {value(number(at))}});
  }
  return rows;
}

double work_a_row(Rolling& rolling, std::span<const OracleRow> rows) {
  const std::uint64_t before = rolling.rolling().work();
  rolling.process(rows);
  return static_cast<double>(rolling.rolling().work() - before) / static_cast<double>(rows.size());
}

TEST(RollingCost, IsConstantInOrderWhateverTheWindowHolds) {
  const std::vector<std::function<double(std::int64_t)>> shapes = {
      [](std::int64_t at) { return static_cast<double>(at); },
      [](std::int64_t at) { return -static_cast<double>(at); },
      [](std::int64_t at) { return static_cast<double>(at * 7919 % 10007); },
      [](std::int64_t) { return 1.0; },
  };
  for (const auto& shape : shapes) {
    for (const std::int64_t width : {10, 1000, 100'000}) {
      Rolling rolling(all_of(width));
      EXPECT_LE(work_a_row(rolling, rows_from(0, static_cast<std::size_t>(3 * width), shape)), 5.0) << width;
    }
  }
}

TEST(RollingCost, IsLogarithmicOutOfOrder) {
  for (const bool rising : {true, false}) {
    for (const std::int64_t width : {1000, 10'000, 100'000}) {
      Rolling rolling(all_of(width));
      const auto number = [&](std::int64_t at) { return static_cast<double>(rising ? at : -at); };
      rolling.process(rows_from(0, static_cast<std::size_t>(2 * width), number));
      std::mt19937_64 random(1);
      std::vector<OracleRow> rows;
      for (int i = 0; i < 3000; ++i) {
        const std::int64_t newest = 2 * width + i;
        const std::int64_t late =
            i % 2 == 0 ? 0 : static_cast<std::int64_t>(random() % static_cast<unsigned>(width));
        rows.push_back({.key = "k", .event_time = newest - late, .values = {value(number(newest - late))}});
      }
      const std::vector<OracleRow> first(rows.begin(), rows.begin() + 1000);  // builds the tree
      rolling.process(first);
      EXPECT_LE(work_a_row(rolling, std::span(rows).subspan(1000)), 500.0 + 30 * std::log2(width)) << width;
    }
  }
}

TEST(RollingCost, OfACheckpointFollowsWhatChanged) {
  Rolling rolling(all_of(100'000));
  const auto number = [](std::int64_t at) { return static_cast<double>(at); };
  rolling.process(rows_from(0, 100'000, number));
  EXPECT_GT(rolling.checkpoint().size(), 3000u);
  rolling.process(rows_from(100'000, 1, number));
  EXPECT_LE(rolling.checkpoint().size(), 2u);
  rolling.process(OracleRow{.key = "k", .event_time = 50'000, .values = {value(1.0)}});
  EXPECT_LE(rolling.checkpoint().size(), 4u);
  EXPECT_EQ(rolling.checkpoint().size(), 0u);
}

TEST(RollingCost, OldPagesAreDeleted) {
  Rolling rolling(all_of(100));
  const auto number = [](std::int64_t at) { return static_cast<double>(at); };
  for (std::int64_t at = 0; at < 20'000; at += 50) {
    rolling.process(rows_from(at, 50, number));
    rolling.checkpoint();
  }
  std::size_t records = 0;
  rolling.store().scan("", [&](std::string_view, std::string_view) { return ++records > 0; });
  EXPECT_LE(records, 12u);
  EXPECT_LE(rolling.keys().bytes(), 300'000u);
}

}  // namespace
}  // namespace tiderace
