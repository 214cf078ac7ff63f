#include "runtime/progress.h"

#include <gtest/gtest.h>

#include <vector>

namespace tiderace {
namespace {

class StillClock final : public Clock {
 public:
  std::int64_t wall_ms() override { return now_ns / 1'000'000; }
  std::int64_t steady_ns() override { return now_ns; }
  std::int64_t now_ns = 0;
};

/// Collects what is drawn while it lives.
class Drawn {
 public:
  Drawn() {
    set_progress_output([this](std::string_view text) { texts.emplace_back(text); });
  }
  ~Drawn() { set_progress_output({}); }
  Drawn(const Drawn&) = delete;
  Drawn& operator=(const Drawn&) = delete;

  std::vector<std::string> texts;
};

constexpr std::int64_t second_ns = 1'000'000'000;

TEST(Progress, DrawsABarAfterASecondAndWipesItAtTheEnd) {
  StillClock clock;
  Drawn drawn;
  {
    Progress progress("backtest", 200, clock);
    progress.reached(10);
    EXPECT_TRUE(drawn.texts.empty());
    clock.now_ns = 2 * second_ns;
    progress.reached(100);
    ASSERT_EQ(drawn.texts.size(), 1);
    EXPECT_TRUE(drawn.texts[0].starts_with("\rbacktest [###############...............]  50 % 50/s"));
    progress.reached(101);
    EXPECT_EQ(drawn.texts.size(), 1);
  }
  ASSERT_EQ(drawn.texts.size(), 2);
  EXPECT_EQ(drawn.texts[1], '\r' + std::string(drawn.texts[0].size() - 1, ' ') + '\r');
}

TEST(Progress, SaysNothingWhereItIsShortOrNotWanted) {
  StillClock clock;
  Drawn drawn;
  {
    const Progress brief("backtest", 10, clock);
    Progress hidden("backtest", 10, clock, false);
    clock.now_ns = 100 * second_ns;
    hidden.reached(5);
  }
  EXPECT_TRUE(drawn.texts.empty());
}

}  // namespace
}  // namespace tiderace
