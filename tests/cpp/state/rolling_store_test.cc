#include "state/rolling_store.h"

#include <gtest/gtest.h>

#include <random>

#include "rolling_fixture.h"
#include "rolling_oracle.h"

namespace tiderace {
namespace {

WindowValue random_value(std::mt19937_64& random, int flavour) {
  switch (random() % (flavour == 2 ? 12 : 8)) {
    case 0:
      return {};
    case 1:
      return value(static_cast<int>(random() % 7) - 3);
    case 2:
      return flavour == 0 ? value(3) : value(-0.0);
    case 3:
      return flavour == 0 ? value(static_cast<int>(random() % 1000)) : value(0.0);
    case 8:
      return value(infinity);
    case 9:
      return value(-infinity);
    case 10:
      return value(std::ldexp(1.0, static_cast<int>(random() % 2000) - 1000));
    default:
      break;
  }
  if (flavour == 0) return value(static_cast<int>(random() % 100));
  return value(std::ldexp(static_cast<double>(static_cast<std::int64_t>(random())), -63) * 20);
}

struct Shape {
  std::int64_t width;
  std::int64_t grace;
  std::int64_t step;  // how fast time goes
  unsigned disorder_percent;
  std::size_t columns = 1;
  bool by_time = true;
};

/// Random rows against the oracle: any batch cut, restarts and evictions in between must not show.
void check(const Shape& shape, unsigned seed, std::size_t count) {
  std::mt19937_64 random(seed);
  RollingOptions options = all_of(shape.width, shape.columns);
  options.grace = shape.grace;
  options.by_time = shape.by_time;
  for (auto& output : options.outputs) {
    output.min_periods = static_cast<int>(random() % 4);
    output.ddof = static_cast<int>(random() % 2);
  }
  Rolling rolling(options);
  RollingOracle oracle(options);
  std::vector<OracleRow> batch;
  std::int64_t now = 1000;
  const int flavour = static_cast<int>(random() % 3);
  for (std::size_t i = 0; i < count; ++i) {
    OracleRow row{.key = std::string(random() % 3, 'k'), .event_time = now, .values = {}};
    now += static_cast<std::int64_t>(random() % static_cast<unsigned>(2 * shape.step + 1));
    if (random() % 100 < shape.disorder_percent) {
      row.event_time -=
          static_cast<std::int64_t>(random() % static_cast<unsigned>(shape.width * 3 / 2 + shape.grace + 1));
    }
    for (std::size_t c = 0; c < shape.columns; ++c) row.values.push_back(random_value(random, flavour));
    batch.push_back(row);
    if (random() % 5 != 0 && i + 1 < count) continue;
    const std::vector<OracleResult> got = rolling.process(batch);
    for (std::size_t b = 0; b < batch.size(); ++b) {
      const OracleResult want = oracle.process(batch[b]);
      ASSERT_EQ(got[b].late, want.late);
      for (std::size_t o = 0; o < want.values.size(); ++o) {
        ASSERT_EQ(got[b].values[o].kind, want.values[o].kind)
            << to_string(options.outputs[o].aggregate) << " row " << i;
        ASSERT_EQ(got[b].values[o].payload, want.values[o].payload)
            << to_string(options.outputs[o].aggregate) << " row " << i << " of batch " << batch.size() << ": "
            << got[b].values[o].float64() << " for " << want.values[o].float64();
      }
    }
    batch.clear();
    if (random() % 40 == 0) rolling.restart();
    if (random() % 40 == 0) {
      rolling.checkpoint();
      rolling.keys().trim(rolling.keys().bytes() * (random() % 3) / 2);
    }
  }
}

TEST(RollingStore, AgreesWithTheOracleInOrder) {
  for (unsigned seed = 0; seed < 10; ++seed)
    check({.width = 100, .grace = 0, .step = 3, .disorder_percent = 0}, seed, 1500);
}
TEST(RollingStore, AgreesWithTheOracleInAnyOrder) {
  for (unsigned seed = 0; seed < 12; ++seed) {
    check({.width = 100, .grace = 50, .step = 2, .disorder_percent = seed * 9, .columns = 1 + seed % 2}, seed,
          1500);
  }
}
TEST(RollingStore, AgreesWithTheOracleWhereTreesGrow) {
  for (unsigned seed = 0; seed < 6; ++seed) {
    check({.width = 3000, .grace = 100, .step = 2, .disorder_percent = 5 + seed * 15}, seed, 4000);
  }
}
TEST(RollingStore, AgreesWithTheOracleAmongManyEqualTimes) {
  for (unsigned seed = 0; seed < 6; ++seed)
    check({.width = 4, .grace = 2, .step = 0, .disorder_percent = 50}, seed, 1200);
}
TEST(RollingStore, AgreesWithTheOracleByRows) {
  for (unsigned seed = 0; seed < 10; ++seed) {
    check({.width = 1 + seed * 11,
           .grace = 0,
           .step = 2,
           .disorder_percent = 30,
           .columns = 2,
           .by_time = false},
          seed, 800);
  }
}

}  // namespace
}  // namespace tiderace
