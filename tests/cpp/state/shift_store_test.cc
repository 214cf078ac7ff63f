#include "state/shift_store.h"

#include <gtest/gtest.h>

#include <limits>
#include <map>
#include <random>

namespace tiderace {
namespace {

/// One value, comparable.
struct Plain {
  Kind kind = Kind::null;
  std::uint64_t payload = 0;
  std::string text;
  bool operator==(const Plain&) const = default;
};

class Shift {
 public:
  explicit Shift(ShiftOptions options) : options_(std::move(options)), stores_(memory_state_stores()) {
    start();
  }
  void start() {
    shift_.reset();
    keys_ = std::make_unique<KeyTable>();
    store_ = stores_->open("t");
    shift_ = std::make_unique<ShiftStore>(options_, *store_, *keys_);
  }
  std::size_t checkpoint() {
    std::vector<Change> changes;
    shift_->flush(changes);
    store_->apply(changes, {});
    return changes.size();
  }
  Plain process(const std::string& key, const Plain& value, std::int64_t at = 0) {
    ColumnBuilder builder(1);
    if (is_text(value.kind)) {
      builder.set_text(0, value.kind, value.text);
    } else {
      builder.kinds()[0] = value.kind;
      builder.values()[0] = value.payload;
    }
    ColumnBuilder results(1);
    const KeyId id = keys_->intern(key);
    shift_->process(std::span(&id, 1), std::span(&at, 1), Column(std::move(builder)), results);
    const Column column(std::move(results));
    if (is_text(column.kind(0))) return {column.kind(0), 0, std::string(column.text(0))};
    return {column.kind(0), column.values()[0], {}};
  }
  KeyTable& keys() { return *keys_; }
  ShiftStore& shift() { return *shift_; }
  StateStore& store() { return *store_; }

 private:
  ShiftOptions options_;
  std::unique_ptr<StateStores> stores_;
  std::unique_ptr<StateStore> store_;
  std::unique_ptr<KeyTable> keys_;
  std::unique_ptr<ShiftStore> shift_;
};

Plain of(double number) {
  return {Kind::float64, std::bit_cast<std::uint64_t>(number), {}};
}
Plain of(std::int64_t number) {
  return {Kind::int64, static_cast<std::uint64_t>(number), {}};
}
Plain of(int number) {
  return of(std::int64_t{number});
}
Plain of(bool truth) {
  return {Kind::boolean, truth ? 1u : 0u, {}};
}

Plain random_value(std::mt19937_64& random) {
  switch (random() % 6) {
    case 0:
      return {};
    case 1:
      return of(random() % 2 == 0);
    case 2:
      return {Kind::string, 0, std::string(random() % 50, 'x')};
    case 3:
      return {Kind::nested, 0, "[1]"};
    case 4:
      return of(static_cast<std::int64_t>(random()));
    default:
      return of(std::ldexp(static_cast<double>(static_cast<std::int64_t>(random())), -60));
  }
}

TEST(ShiftStore, GivesTheValueOfSoManyRowsAgo) {
  std::mt19937_64 random(1);
  for (const std::int64_t periods : {1, 2, 31, 32, 33, 64, 100, 200}) {
    Shift shift({.step = "s", .periods = periods});
    std::map<std::string, std::vector<Plain>> rows;
    for (int i = 0; i < 1500; ++i) {
      const std::string key(random() % 3, 'k');
      const Plain next = random_value(random);
      std::vector<Plain>& of_key = rows[key];
      const auto ago = static_cast<std::size_t>(periods);
      const Plain want = of_key.size() >= ago ? of_key[of_key.size() - ago] : Plain{};
      ASSERT_EQ(shift.process(key, next), want) << periods << " row " << i;
      of_key.push_back(next);
      if (random() % 30 == 0) shift.checkpoint();
      if (random() % 60 == 0) {
        shift.checkpoint();
        shift.start();
      }
      if (random() % 60 == 0) {
        shift.checkpoint();
        shift.keys().trim(shift.keys().bytes() * (random() % 3) / 2);
      }
    }
    std::size_t records = 0;
    shift.store().scan("", [&](std::string_view, std::string_view) { return ++records > 0; });
    EXPECT_LE(records, 3 * (2 + static_cast<std::size_t>(periods) / 32 + 3));
  }
}

TEST(ShiftStore, SubtractsByTheRulesOfValues) {
  Shift difference({.step = "s", .difference = true});
  EXPECT_EQ(difference.process("k", of(5)), Plain{});
  EXPECT_EQ(difference.process("k", of(7)), of(2));
  EXPECT_EQ(difference.process("k", of(7.5)), of(0.5));
  EXPECT_EQ(difference.process("k", of(true)), of(-6.5));
  EXPECT_EQ(difference.process("k", of(3)), of(2));
  EXPECT_EQ(difference.process("k", of(false)), of(-3));
  EXPECT_EQ(difference.process("k", Plain{}), Plain{});
  EXPECT_EQ(difference.process("k", of(1)), Plain{});
  EXPECT_EQ(difference.process("k", of(INT64_MIN)), of(-0x1p63));
  EXPECT_EQ(difference.process("k", of(INT64_MAX)), of(0x1p64));
  EXPECT_EQ(difference.process("k", of(std::numeric_limits<double>::infinity())),
            of(std::numeric_limits<double>::infinity()));
  EXPECT_EQ(difference.process("k", of(std::numeric_limits<double>::infinity())), Plain{});
}

TEST(ShiftStore, WritesWhatChanged) {
  Shift shift({.step = "s", .periods = 1000});
  for (int i = 0; i < 1000; ++i) shift.process("k", of(i));
  EXPECT_EQ(shift.checkpoint(), 32u);
  shift.process("k", of(1));
  EXPECT_EQ(shift.checkpoint(), 1u);
  EXPECT_EQ(shift.checkpoint(), 0u);
}

TEST(ShiftStore, ForgetsAKeyAfterItsTimeToLive) {
  for (const int periods : {1, 40}) {
    for (const bool restart : {false, true}) {
      Shift shift({.step = "s", .periods = periods, .ttl = 100});
      for (int i = 0; i < 100; ++i) shift.process("a", of(i), 0);
      shift.process("b", of(1), 150);
      if (restart) {
        shift.checkpoint();
        shift.start();
      }
      for (int i = 0; i < periods; ++i) EXPECT_EQ(shift.process("a", of(7), 150), Plain{});
      EXPECT_EQ(shift.process("a", of(8), 150), of(7));
      shift.process("c", of(1), 400);
      shift.checkpoint();
      std::vector<Change> changes;
      shift.shift().expire(changes);
      shift.store().apply(changes, {});
      std::size_t records = 0;
      shift.store().scan("", [&](std::string_view, std::string_view) { return ++records > 0; });
      EXPECT_EQ(records, 2u);  // c and the time
    }
  }
}

}  // namespace
}  // namespace tiderace
