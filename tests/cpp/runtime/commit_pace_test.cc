#include "runtime/commit_pace.h"

#include <gtest/gtest.h>

namespace tiderace {
namespace {

constexpr std::int64_t ms = 1'000'000;

TEST(CommitPace, IsTheIntervalWhereNothingWaits) {
  CommitPace pace(100 * ms, true);
  pace.begin(5 * ms);
  pace.took(40 * ms);
  EXPECT_FALSE(pace.due(104 * ms, false));
  EXPECT_EQ(pace.left_ns(104 * ms), ms);
  EXPECT_TRUE(pace.due(105 * ms, false));
  EXPECT_LE(pace.left_ns(105 * ms), 0);
}

TEST(CommitPace, CommitsTakeATenthOfTheTimeOverABacklog) {
  CommitPace pace(100 * ms, true);
  EXPECT_TRUE(pace.due(100 * ms, true)) << "what the first takes is not known yet";
  pace.took(40 * ms);
  EXPECT_FALSE(pace.due(399 * ms, true));
  EXPECT_TRUE(pace.due(400 * ms, true));
  EXPECT_TRUE(pace.due(100 * ms, false)) << "the backlog has ended";
  pace.took(2 * ms);
  EXPECT_FALSE(pace.due(99 * ms, true)) << "never shorter than the interval";
  EXPECT_TRUE(pace.due(100 * ms, true));
  pace.took(5'000 * ms);
  EXPECT_FALSE(pace.due(999 * ms, true));
  EXPECT_TRUE(pace.due(1'000 * ms, true)) << "but once a second";
}

TEST(CommitPace, AnIntervalThatSomebodyHasSetStays) {
  CommitPace pace(100 * ms, false);
  pace.took(40 * ms);
  EXPECT_TRUE(pace.due(100 * ms, true));
}

TEST(CommitPace, CanBeHurried) {
  for (const std::int64_t interval : {100 * ms, 5'000 * ms}) {
    CommitPace pace(interval, true);
    pace.begin(7'000 * ms);
    pace.took(5'000 * ms);
    pace.hurry(7'001 * ms);
    EXPECT_TRUE(pace.due(7'001 * ms, true));
    EXPECT_LE(pace.left_ns(7'001 * ms), 0);
  }
}

}  // namespace
}  // namespace tiderace
