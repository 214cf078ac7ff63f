#include "runtime/commit_pace.h"

#include <gtest/gtest.h>

namespace tiderace {
namespace {

constexpr std::int64_t ms = 1'000'000;

TEST(CommitPace, IsTheIntervalWhereNothingWaits) {
  CommitPace pace(100 * ms, true);
  pace.begin(5 * ms);
  pace.took(40 * ms);
  EXPECT_GT(pace.left_ns(104 * ms, false), 0);
  EXPECT_EQ(pace.left_ns(104 * ms, false), ms);
  EXPECT_LE(pace.left_ns(105 * ms, false), 0);
}

TEST(CommitPace, CommitsTakeATenthOfTheTimeOverABacklog) {
  CommitPace pace(100 * ms, true);
  EXPECT_LE(pace.left_ns(100 * ms, true), 0) << "what the first takes is not known yet";
  pace.took(40 * ms);
  EXPECT_GT(pace.left_ns(399 * ms, true), 0);
  EXPECT_LE(pace.left_ns(400 * ms, true), 0);
  EXPECT_LE(pace.left_ns(100 * ms, false), 0) << "the backlog has ended";
  pace.took(2 * ms);
  EXPECT_GT(pace.left_ns(99 * ms, true), 0) << "never shorter than the interval";
  EXPECT_LE(pace.left_ns(100 * ms, true), 0);
  pace.took(5'000 * ms);
  EXPECT_GT(pace.left_ns(999 * ms, true), 0);
  EXPECT_LE(pace.left_ns(1'000 * ms, true), 0) << "but once a second";
}

TEST(CommitPace, AnIntervalThatSomebodyHasSetStays) {
  CommitPace pace(100 * ms, false);
  pace.took(40 * ms);
  EXPECT_LE(pace.left_ns(100 * ms, true), 0);
}

TEST(CommitPace, CanBeHurried) {
  for (const std::int64_t interval : {100 * ms, 5'000 * ms}) {
    CommitPace pace(interval, true);
    pace.begin(7'000 * ms);
    pace.took(5'000 * ms);
    pace.hurry(7'001 * ms);
    EXPECT_LE(pace.left_ns(7'001 * ms, true), 0);
    EXPECT_LE(pace.left_ns(7'001 * ms, false), 0);
  }
}

}  // namespace
}  // namespace tiderace
