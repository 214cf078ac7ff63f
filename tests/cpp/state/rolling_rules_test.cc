// Rules of rolling one by one, failures of the store, and keys that are forgotten.
#include <gtest/gtest.h>
#include <tiderace/error.h>

#include "rolling_fixture.h"

namespace tiderace {
namespace {

OracleRow row(std::int64_t at, WindowValue number, const std::string& key = "k") {
  return {.key = key, .event_time = at, .values = {number}};
}

RollingOptions only(Aggregate aggregate, std::int64_t width) {
  return {.step = "s", .width = width, .outputs = {{.aggregate = aggregate}}};
}

TEST(RollingRules, ARowIsLateBeyondWindowAndGrace) {
  RollingOptions options = only(Aggregate::count, 10);
  options.grace = 5;
  Rolling rolling(options);
  rolling.process(row(100, value(1)));
  EXPECT_FALSE(rolling.process(row(85, value(1))).late);
  const OracleResult late = rolling.process(row(84, value(1)));
  EXPECT_TRUE(late.late);
  EXPECT_EQ(late.values[0].kind, Kind::null);
  EXPECT_EQ(rolling.process(row(94, value(1))).values[0].int64(), 2);
}

TEST(RollingRules, TheOldestRowThatIsTakenHasItsWholeWindow) {
  RollingOptions options = only(Aggregate::count, 100);
  Rolling rolling(options);
  for (std::int64_t at = 1; at <= 1000; ++at) rolling.process(row(at, value(1)));
  EXPECT_EQ(rolling.process(row(900, value(1))).values[0].int64(), 101);
  EXPECT_TRUE(rolling.process(row(899, value(1))).late);
}

TEST(RollingRules, ANullMovesTimeOn) {
  Rolling rolling(only(Aggregate::sum, 10));
  rolling.process(row(0, value(5)));
  EXPECT_EQ(rolling.process(row(9, {})).values[0].int64(), 5);
  EXPECT_EQ(rolling.process(row(10, {})).values[0].kind, Kind::null);
}

TEST(RollingRules, AFloatMakesTheResultAFloatWhileItStays) {
  Rolling rolling(all_of(10));
  rolling.process(row(0, value(2.5)));
  OracleResult result = rolling.process(row(5, value(1)));
  EXPECT_EQ(result.values[2].float64(), 1.0);  // min
  EXPECT_EQ(result.values[2].kind, Kind::float64);
  result = rolling.process(row(10, value(3)));
  EXPECT_EQ(result.values[2].kind, Kind::int64);
  EXPECT_EQ(result.values[3].int64(), 3);
  result = rolling.process(row(11, {Kind::boolean, 1}));
  EXPECT_EQ(result.values[1].int64(), 5);
  EXPECT_EQ(result.values[2].kind, Kind::int64);
}

TEST(RollingRules, ExtremeTimesDoNoHarm) {
  Rolling rolling(all_of(INT64_MAX));
  EXPECT_EQ(rolling.process(row(INT64_MIN, value(1))).values[4].int64(), 1);
  EXPECT_EQ(rolling.process(row(INT64_MIN, value(1))).values[4].int64(), 2);
  EXPECT_EQ(rolling.process(row(0, value(1))).values[4].int64(), 1);
  EXPECT_EQ(rolling.process(row(INT64_MAX - 1, value(1))).values[4].int64(), 2);
  rolling.restart();
  EXPECT_EQ(rolling.process(row(INT64_MAX, value(1))).values[4].int64(), 2);
}

TEST(RollingRules, AKeyIsForgottenAfterItsTimeToLive) {
  RollingOptions options = only(Aggregate::count, 1000);
  options.ttl = 100;
  for (const bool restart : {false, true}) {
    for (const bool expire : {false, true}) {
      Rolling rolling(options);
      rolling.process(row(0, value(1), "a"));
      rolling.process(row(50, value(1), "b"));
      if (restart) rolling.restart();
      EXPECT_EQ(rolling.process(row(100, value(1), "a")).values[0].int64(), 2);
      if (restart) rolling.restart();
      rolling.process(row(190, value(1), "c"));
      if (expire) {
        rolling.checkpoint();
        std::vector<Change> changes;
        rolling.rolling().expire(changes);
        EXPECT_EQ(changes.size(), 1u);  // the head of b
        rolling.store().apply(changes, {});
      }
      if (restart) rolling.restart();
      EXPECT_EQ(rolling.process(row(190, value(1), "b")).values[0].int64(), 1) << restart << expire;
      EXPECT_EQ(rolling.process(row(190, value(1), "a")).values[0].int64(), 3);
    }
  }
}

/// A store that fails at its n-th call.
class Failing final : public StateStore {
 public:
  Failing(std::unique_ptr<StateStore> store, int* calls) : store_(std::move(store)), calls_(calls) {}
  std::optional<std::string> get(std::string_view key) override {
    count();
    return store_->get(key);
  }
  void scan(std::string_view prefix,
            const std::function<bool(std::string_view, std::string_view)>& visit) override {
    count();
    store_->scan(prefix, visit);
  }
  void write(std::span<const ChangeView> changes, const StorePosition& position) override {
    count();
    store_->apply(std::vector<ChangeView>(changes.begin(), changes.end()), position);
  }
  StorePosition position() override { return store_->position(); }
  void clear() override { store_->clear(); }
  std::uint64_t size_bytes() override { return store_->size_bytes(); }

 private:
  void count() {
    if ((*calls_)-- == 0) throw Error(ErrorKind::state, "the disk is gone");
  }
  std::unique_ptr<StateStore> store_;
  int* calls_;
};

class FailingStores final : public StateStores {
 public:
  explicit FailingStores(int* calls) : calls_(calls) {}
  std::unique_ptr<StateStore> open(const std::string& name) override {
    return std::make_unique<Failing>(stores_->open(name), calls_);
  }

 private:
  std::unique_ptr<StateStores> stores_ = memory_state_stores();
  int* calls_;
};

/// Whatever call of the store fails, what was committed is whole, and the rows since give the same once they
/// come again.
TEST(RollingRules, AnyCallOfTheStoreMayFail) {
  const auto round = [](Rolling& rolling, std::int64_t at) {
    std::vector<OracleRow> rows;
    for (std::int64_t i = 0; i < 60; ++i) {
      rows.push_back(row(at + i - (i % 7 == 3 ? 40 : 0), value(static_cast<double>(i)),
                         std::string(1, static_cast<char>('a' + i % 3))));
    }
    std::vector<OracleResult> results = rolling.process(rows);
    return results.back().values[0].payload;
  };
  std::vector<std::uint64_t> want;
  Rolling straight(only(Aggregate::mean, 100));
  for (std::int64_t r = 0; r < 8; ++r) want.push_back(round(straight, r * 60));

  bool failed = true;
  for (int n = 0; failed; ++n) {
    ASSERT_LT(n, 1000);
    failed = false;
    int calls = INT32_MAX;
    Rolling rolling(only(Aggregate::mean, 100), std::make_unique<FailingStores>(&calls));
    calls = n;
    for (std::int64_t r = 0; r < 8; ++r) {
      try {
        if (r % 3 == 2) rolling.start();  // cold: reads what is committed
        EXPECT_EQ(round(rolling, r * 60), want[static_cast<std::size_t>(r)]);
        rolling.checkpoint();
      } catch (const Error&) {
        failed = true;
        calls = INT32_MAX;
        rolling.start();
        --r;
      }
    }
  }
}

}  // namespace
}  // namespace tiderace
