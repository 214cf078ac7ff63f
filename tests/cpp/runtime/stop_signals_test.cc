#include "runtime/stop_signals.h"

#include <gtest/gtest.h>
#include <signal.h>

namespace tiderace {
namespace {

std::atomic<int> former_calls = 0;
extern "C" void former_handler(int) {
  ++former_calls;
}

/// A handler of the program's own for a signal, for the length of a test.
class FormerHandler {
 public:
  explicit FormerHandler(int signal) : signal_(signal) {
    former_calls = 0;
    struct sigaction action = {};
    action.sa_handler = former_handler;
    sigaction(signal, &action, &before_);
  }
  ~FormerHandler() { sigaction(signal_, &before_, nullptr); }
  FormerHandler(const FormerHandler&) = delete;
  FormerHandler& operator=(const FormerHandler&) = delete;

 private:
  int signal_;
  struct sigaction before_;
};

TEST(StopSignals, SetStopAndNothingElse) {
  for (const int signal : {SIGINT, SIGTERM}) {
    const FormerHandler former(signal);
    std::atomic<bool> stop = false;
    const StopSignals signals(stop);
    raise(signal);
    EXPECT_TRUE(stop);
    EXPECT_EQ(former_calls, 0);
  }
}

TEST(StopSignals, ASecondOneGoesToTheFormerHandler) {
  const FormerHandler former(SIGINT);
  std::atomic<bool> stop = false;
  const StopSignals signals(stop);
  raise(SIGINT);
  EXPECT_EQ(former_calls, 0);
  raise(SIGINT);
  EXPECT_EQ(former_calls, 1);
  raise(SIGINT);
  EXPECT_EQ(former_calls, 2);
}

TEST(StopSignals, GiveTheFormerHandlersBack) {
  const FormerHandler former(SIGTERM);
  std::atomic<bool> stop = false;
  { const StopSignals signals(stop); }
  raise(SIGTERM);
  EXPECT_FALSE(stop);
  EXPECT_EQ(former_calls, 1);
  const StopSignals again(stop);
  raise(SIGTERM);
  EXPECT_TRUE(stop);
  EXPECT_EQ(former_calls, 1);
}

TEST(StopSignals, StopEveryRun) {
  const FormerHandler former(SIGINT);
  std::atomic<bool> first = false;
  std::atomic<bool> second = false;
  const StopSignals one(first);
  {
    std::atomic<bool> gone = false;
    const StopSignals other(gone);
  }
  const StopSignals two(second);
  raise(SIGINT);
  EXPECT_TRUE(first);
  EXPECT_TRUE(second);
}

}  // namespace
}  // namespace tiderace
