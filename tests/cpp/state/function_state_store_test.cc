#include "state/function_state_store.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

namespace tiderace {
namespace {

struct Task {
  explicit Task(FunctionStateOptions options) : options(std::move(options)) { start(); }
  void start() {
    state.reset();
    keys = std::make_unique<KeyTable>();
    store = stores->open("t");
    state = std::make_unique<FunctionStateStore>(options, *store, *keys);
  }
  std::size_t checkpoint() {
    std::vector<Change> changes;
    state->flush(changes);
    store->apply(changes, {});
    return changes.size();
  }
  void begin(const std::string& key, std::int64_t at = 0) {
    state->begin_batch(std::span(&at, 1));
    state->begin(keys->intern(key));
  }

  FunctionStateOptions options;
  std::unique_ptr<StateStores> stores = memory_state_stores();
  std::unique_ptr<StateStore> store;
  std::unique_ptr<KeyTable> keys;
  std::unique_ptr<FunctionStateStore> state;
};

TEST(FunctionStateStore, UndoesARow) {
  Task task({.step = "s"});
  task.begin("k");
  task.state->set("a", "1");
  task.begin("k");
  task.state->set("a", "2");
  task.state->set("b", "3");
  task.state->erase("a");
  task.state->set("a", "4");
  task.state->undo();
  EXPECT_EQ(task.state->get("a"), "1");
  EXPECT_EQ(task.state->get("b"), std::nullopt);
  EXPECT_EQ(task.state->get("c"), std::nullopt);
}

TEST(FunctionStateStore, IsAMapPerKeyThroughRestartsAndEvictions) {
  std::mt19937_64 random(1);
  Task task({.step = "s"});
  std::map<std::string, std::map<std::string, std::string>> want;
  for (int i = 0; i < 5000; ++i) {
    const std::string key(random() % 4, 'k');
    task.begin(key);
    const auto before = want[key];
    for (std::uint64_t n = random() % 4; n > 0; --n) {
      const std::string name(random() % 3, 'n');
      if (random() % 3 == 0) {
        task.state->erase(name);
        want[key].erase(name);
      } else {
        const std::string json(random() % 20, '1');
        task.state->set(name, json);
        want[key][name] = json;
      }
      const std::string other(random() % 3, 'n');
      const auto found = want[key].find(other);
      ASSERT_EQ(task.state->get(other),
                found == want[key].end() ? std::nullopt : std::optional<std::string_view>(found->second));
    }
    if (random() % 5 == 0) {
      task.state->undo();
      want[key] = before;
    }
    if (random() % 50 == 0) task.checkpoint();
    if (random() % 100 == 0) {
      task.checkpoint();
      task.keys->trim(task.keys->bytes() * (random() % 3) / 2);
    }
    if (random() % 100 == 0) {
      task.checkpoint();
      task.start();
    }
  }
  EXPECT_LE(task.checkpoint(), 12u);
  EXPECT_EQ(task.checkpoint(), 0u);
}

TEST(FunctionStateStore, ForgetsAKeyAfterItsTimeToLive) {
  for (const bool restart : {false, true}) {
    Task task({.step = "s", .ttl = 100});
    task.begin("a", 0);
    task.state->set("x", "1");
    task.begin("b", 80);
    task.state->set("x", "1");
    task.begin("c", 150);
    task.checkpoint();
    if (restart) task.start();
    task.begin("b", 150);
    EXPECT_EQ(task.state->get("x"), "1");
    task.begin("a", 150);
    EXPECT_EQ(task.state->get("x"), std::nullopt);
    task.checkpoint();
    task.begin("d", 400);
    task.checkpoint();
    std::vector<Change> changes;
    task.state->expire(changes);
    task.store->apply(changes, {});
    std::size_t records = 0;
    task.store->scan("", [&](std::string_view, std::string_view) { return ++records > 0; });
    EXPECT_EQ(records, 2u);  // the head of d and the time
  }
}

}  // namespace
}  // namespace tiderace
