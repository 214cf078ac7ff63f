#include "state/key_table.h"

#include <gtest/gtest.h>

#include <string>

namespace tiderace {
namespace {

struct Numbers final : KeyedContainer {
  std::vector<std::string> values;
  void remap(std::span<const KeyId> kept) override {
    std::vector<std::string> next;
    for (const KeyId id : kept) next.push_back(values[id]);
    values = next;
  }
  std::size_t bytes() const noexcept override { return values.size() * 1000; }
};

TEST(KeyTable, GivesEveryKeyOneDenseId) {
  KeyTable table;
  std::vector<std::string> keys;
  for (int i = 0; i < 5000; ++i)
    keys.push_back(std::string(static_cast<std::size_t>(i % 40), 'x') + std::to_string(i));
  keys.push_back("");
  keys.push_back(std::string("\0", 1));
  keys.push_back(std::string("\0\0", 2));
  keys.push_back(std::string(100'000, 'k'));
  for (std::size_t i = 0; i < keys.size(); ++i) EXPECT_EQ(table.intern(keys[i]), i);
  const std::vector<std::string_view> views(keys.begin(), keys.end());
  std::vector<KeyId> ids(keys.size());
  table.intern(views, ids);
  for (std::size_t i = 0; i < keys.size(); ++i) {
    EXPECT_EQ(ids[i], i);
    EXPECT_EQ(table.key(ids[i]), keys[i]);
  }
  EXPECT_EQ(table.size(), keys.size());
}

TEST(KeyTable, ForgetsTheKeysThatWereNotTouchedForLongest) {
  KeyTable table;
  Numbers numbers;
  table.add(&numbers);
  for (int i = 0; i < 1000; ++i) {
    table.intern(std::to_string(i));
    numbers.values.push_back(std::to_string(i));
  }
  EXPECT_FALSE(table.trim(SIZE_MAX));
  for (int i = 0; i < 1000; i += 2) table.intern(std::to_string(i));
  ASSERT_TRUE(table.trim(table.bytes() * 6 / 10));
  EXPECT_LT(table.size(), 500u);
  EXPECT_GT(table.size(), 400u);
  ASSERT_EQ(numbers.values.size(), table.size());
  for (KeyId id = 0; id < table.size(); ++id) {
    EXPECT_EQ(table.key(id), numbers.values[id]);
    EXPECT_EQ(std::stoi(numbers.values[id]) % 2, 0);
    EXPECT_EQ(table.intern(std::string(table.key(id))), id);
  }
  const KeyId again = table.intern("1");
  EXPECT_EQ(again, table.size() - 1);
  table.remove(&numbers);
}

}  // namespace
}  // namespace tiderace
