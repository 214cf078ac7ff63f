#include "state/overlay_store.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

#include "state/scanned.h"

namespace tiderace {
namespace {

std::unique_ptr<OverlayStore> make() {
  static const auto stores = memory_state_stores();
  static int count = 0;
  return std::make_unique<OverlayStore>(stores->open("g/t/" + std::to_string(count++)));
}

TEST(OverlayStore, ReadsWhatIsInFrontAndTakesItWhenToldTo) {
  const auto store = make();
  store->apply(std::vector<Change>{{"a", "1"}, {"b", "2"}, {"c", "3"}}, {1, 10});
  store->put_in_front({{"b", "x"}, {"a", std::nullopt}, {"b", "y"}, {"ab", "new"}});
  EXPECT_EQ(store->get("a"), std::nullopt);
  EXPECT_EQ(store->get("b"), "y");
  EXPECT_EQ(store->get("c"), "3");
  EXPECT_EQ(scanned(*store, ""), (Pairs{{"ab", "new"}, {"b", "y"}, {"c", "3"}}));
  EXPECT_EQ(store->position().input_offset, 10);
  store->take_front({2, 20});
  EXPECT_EQ(scanned(*store, ""), (Pairs{{"ab", "new"}, {"b", "y"}, {"c", "3"}}));
  EXPECT_EQ(store->position().changelog_offset, 2);
  EXPECT_EQ(store->position().input_offset, 20);
}

TEST(OverlayStore, IsAsTheStoreWillBe) {
  std::mt19937_64 random(1);
  const auto key = [&random] {
    std::string text(random() % 4, ' ');
    for (char& c : text) c = static_cast<char>("ab\xff"[random() % 3]);
    return text;
  };
  const auto changes = [&] {
    std::vector<Change> made(random() % 8);
    for (Change& change : made) {
      change.key = key();
      if (random() % 3 != 0) change.value = std::to_string(random() % 100);
    }
    return made;
  };
  for (int round = 0; round < 2000; ++round) {
    const auto store = make();
    std::map<std::string, std::string> wanted;
    const auto behind = changes();
    const auto front = changes();
    for (const auto* part : {&behind, &front}) {
      for (const Change& change : *part) {
        if (change.value)
          wanted[change.key] = *change.value;
        else
          wanted.erase(change.key);
      }
    }
    store->apply(behind, {1, 1});
    store->put_in_front(front);
    for (const bool taken : {false, true}) {
      if (taken) store->take_front({2, 2});
      const std::string prefix = key();
      const std::size_t limit = 1 + random() % 5;
      Pairs found;
      for (const auto& [name, value] : wanted) {
        if (name.starts_with(prefix) && found.size() < limit) found.emplace_back(name, value);
      }
      EXPECT_EQ(scanned(*store, prefix, limit), found) << "round " << round;
      const auto entry = wanted.find(prefix);
      EXPECT_EQ(store->get(prefix), entry == wanted.end() ? std::nullopt : std::optional(entry->second));
    }
  }
}

}  // namespace
}  // namespace tiderace
