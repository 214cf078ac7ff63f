// Which version of a model scores which row, from batch to batch and over restarts.

#include "runtime/models/task_models.h"

#include <gtest/gtest.h>

#include <thread>

#include "models/fake_source.h"

namespace tiderace {
namespace {

using Since = std::vector<VersionSince>;

std::string hex(std::string_view bytes) {
  std::string text;
  for (const char byte : bytes) text += fmt::format("{:02x}", static_cast<unsigned char>(byte));
  return text;
}

TEST(VersionsInTheState, AreStoredLikeThis) {
  const Since versions = {{0, "1"}, {300, "12"}};
  const Change change = versions_change("model(m)", versions);
  EXPECT_EQ(hex(change.key), "086d6f64656c286d290000");
  EXPECT_EQ(hex(change.value.value_or("")), "01000131d804023132");
  const auto stores = memory_state_stores();
  const auto store = stores->open("a");
  EXPECT_EQ(read_versions("model(m)", *store), Since());
  store->apply(std::span(&change, 1), {});
  EXPECT_EQ(read_versions("model(m)", *store), versions);
  for (const char* damaged : {"", "\x02", "\x01\x80", "\x01\x02\x05"}) {
    const Change other = {change.key, damaged};
    store->apply(std::span(&other, 1), {});
    EXPECT_THROW(static_cast<void>(read_versions("model(m)", *store)), Error);
  }
}

class TaskOfAModel : public testing::Test {
 protected:
  ~TaskOfAModel() override {
    stop_ = true;
    watched_->wake_watch();
    watch_.join();
  }
  TaskOfAModel() { stage_.resolved.models = {{model_, "tiderace.model.shaking", "model(m)"}}; }

  void publish(const std::string& version) {
    {
      const std::lock_guard lock(registry_->mutex);
      registry_->current = version;
    }
    model_->look();
  }
  void start(std::int64_t offset) {
    task_.reset();
    task_.emplace(stage_, partition_, restore_models(stage_, *store_, partition_, offset));
    task_->begin(offset);
    position_ = offset;
  }
  /// A batch of `rows`: what an operator does with it.
  std::string batch(std::int64_t rows, bool candidate_fails = false) {
    if (task_->swap_due()) task_->announce(position_ + ahead_, now_ns_);
    task_->reach(position_);
    task_->begin_batch();
    ModelUse& use = task_->uses()[0];
    const std::string version = use.current->version;
    if (use.candidate && candidate_fails) use.failure = "it fails";
    if (use.candidate && !candidate_fails) use.tried = true;
    task_->end_batch();
    position_ += rows;
    return version;
  }
  void commit() {
    std::vector<Change> changes;
    task_->flush(changes, position_, now_ns_);
    store_->apply(changes, {});
    task_->committed();
  }
  [[nodiscard]] Since stored() const { return read_versions("model(m)", *store_); }

  std::shared_ptr<FakeRegistry> registry_ = std::make_shared<FakeRegistry>();
  std::shared_ptr<ModelVersions> model_ = fake_versions(registry_);
  Stage stage_{ResolvedStage()};
  const TopicPartition partition_{"in", 0};
  std::shared_ptr<StateStores> stores_ = memory_state_stores();
  std::unique_ptr<StateStore> store_ = stores_->open("a");
  std::optional<TaskModels> task_;
  std::int64_t position_ = 0;
  std::int64_t ahead_ = 0;
  std::int64_t now_ns_ = 0;

 private:
  /// Looks where a task that is restored asks for it.
  void watch() {
    while (!stop_) {
      if (watched_->wait_until_asked(std::chrono::hours(1)) && !stop_) watched_->look();
    }
  }
  const std::shared_ptr<ModelVersions> watched_ = model_;
  std::atomic<bool> stop_{false};
  std::thread watch_{[this] { watch(); }};
};

TEST_F(TaskOfAModel, GoesToTheNextVersionBetweenTwoBatches) {
  start(5);
  EXPECT_TRUE(task_->changed()) << "the state does not know the first one yet";
  EXPECT_EQ(batch(10), "1");
  commit();
  EXPECT_EQ(stored(), (Since{{5, "1"}}));
  EXPECT_FALSE(task_->swap_due());
  publish("2");
  EXPECT_EQ(batch(10), "1");
  EXPECT_TRUE(task_->swap_due());
  EXPECT_EQ(batch(10), "2");
  EXPECT_TRUE(task_->changed());
  commit();
  EXPECT_FALSE(task_->changed());
  EXPECT_EQ(stored(), (Since{{5, "1"}, {25, "2"}}));
  EXPECT_EQ(model_->counters().swaps, 1u);
  EXPECT_EQ(model_->uses(), (std::map<std::string, int>{{"2", 1}}));
}

TEST_F(TaskOfAModel, WaitsForTheCommitOfWhatWasAnnounced) {
  start(0);
  batch(10);
  EXPECT_EQ(task_->uncommitted_swap(), 0) << "not even the first is in the state";
  commit();
  EXPECT_EQ(task_->uncommitted_swap(), std::nullopt);
  publish("2");
  batch(10);
  ahead_ = 100;
  EXPECT_EQ(batch(10), "1");
  EXPECT_EQ(task_->next_swap(), 120);
  EXPECT_EQ(task_->uncommitted_swap(), 120);
  std::vector<Change> changes;
  task_->flush(changes, position_, now_ns_);
  EXPECT_EQ(task_->uncommitted_swap(), 120) << "flushed is not committed";
  store_->apply(changes, {});
  task_->committed();
  EXPECT_EQ(task_->uncommitted_swap(), std::nullopt);
  EXPECT_EQ(batch(90), "1");
  EXPECT_EQ(batch(10), "2");
  start(30);
  EXPECT_EQ(batch(90), "1") << "after a crash, it takes over where it did";
  EXPECT_EQ(batch(10), "2");
}

TEST_F(TaskOfAModel, TakesOverSoonerWhereFewerRowsComeThanBefore) {
  start(0);
  batch(10);
  publish("2");
  batch(10);
  ahead_ = 10'000;
  batch(10);
  commit();
  EXPECT_EQ(stored().back(), (VersionSince{10'020, "2"}));
  EXPECT_EQ(batch(1), "1");
  commit();
  EXPECT_EQ(stored().back().since, 10'020) << "it may still come to that";
  now_ns_ = 1'000'000'000;
  commit();
  EXPECT_EQ(stored(), (Since{{0, "1"}, {31, "2"}}));
  EXPECT_EQ(batch(1), "2");
  commit();
  EXPECT_EQ(stored(), (Since{{0, "1"}, {31, "2"}}));
}

TEST_F(TaskOfAModel, TakesOverSoonerAfterARestartOnceRowsAreNew) {
  start(0);
  batch(10);
  publish("2");
  batch(10);
  ahead_ = 10'000;
  batch(10);
  commit();
  start(20);
  batch(5);
  commit();
  EXPECT_EQ(stored().back().since, 10'020) << "who knows what was written by the first version";
  task_->heard_end(30);
  task_->heard_end(20'000);  // only the first counts: what came later, nobody else has processed
  commit();
  EXPECT_EQ(stored().back().since, 10'020);
  EXPECT_EQ(batch(10), "1");
  commit();
  EXPECT_EQ(stored(), (Since{{0, "1"}, {35, "2"}}));
  EXPECT_EQ(batch(1), "2");
}

TEST_F(TaskOfAModel, StaysWhereTheNextVersionFails) {
  start(0);
  batch(10);
  publish("2");
  EXPECT_EQ(batch(10, true), "1");
  EXPECT_EQ(batch(10), "1");
  EXPECT_FALSE(task_->swap_due());
  EXPECT_EQ(model_->counters().rollbacks, 1u);
}

TEST_F(TaskOfAModel, ComesBackWhereAnotherTaskFailed) {
  start(0);
  batch(10);
  publish("2");
  batch(10);
  EXPECT_EQ(batch(10), "2");
  model_->reject(model_->newest(), nullptr, "another partition");
  EXPECT_EQ(batch(10), "2");
  EXPECT_EQ(batch(10), "1");
}

TEST_F(TaskOfAModel, TakesTheLatestOfSeveral) {
  start(0);
  batch(10);
  for (const char* version : {"2", "3", "4"}) publish(version);
  batch(10);
  EXPECT_EQ(batch(10), "4");
}

TEST_F(TaskOfAModel, GoesOnWithWhatTheStateSays) {
  start(0);
  batch(10);
  publish("2");
  batch(10);
  batch(10);
  commit();
  publish("3");
  start(30);
  EXPECT_FALSE(task_->swap_due());
  EXPECT_EQ(batch(10), "2");
  EXPECT_EQ(batch(10), "3");
}

TEST_F(TaskOfAModel, DoesNotTakeForNewWhatItsProcessKnewBefore) {
  start(0);
  EXPECT_EQ(batch(10), "1");
  const LoadedModelPtr held = model_->load("2");
  const Change swapped = versions_change("model(m)", Since{{0, "1"}, {10, "2"}});  // by another process
  store_->apply(std::span(&swapped, 1), {});
  registry_->away = "it is away";
  start(10);
  EXPECT_EQ(batch(10), "2");
  EXPECT_EQ(batch(10), "2") << "1 is the newest that this process knows";
  registry_->away.clear();
  publish("3");
  EXPECT_EQ(batch(10), "2");
  EXPECT_EQ(batch(10), "3");
}

TEST_F(TaskOfAModel, DoesNotTakeForNewWhatItsProcessHasJustLookedFor) {
  start(0);
  EXPECT_EQ(batch(10), "1");
  EXPECT_TRUE(model_->look());
  {
    const std::lock_guard lock(registry_->mutex);
    registry_->current = "2";
  }
  const Change swapped = versions_change("model(m)", Since{{0, "1"}, {10, "2"}});  // by another process
  store_->apply(std::span(&swapped, 1), {});
  start(10);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(batch(10), "2");
}

TEST_F(TaskOfAModel, OffersWhatIsAheadWhereThePresentVersionFails) {
  start(0);
  batch(10);
  publish("2");
  batch(10);
  EXPECT_TRUE(task_->uses()[0].spares.empty());
  task_->begin_batch();
  ASSERT_EQ(task_->uses()[0].spares.size(), 1u) << "it is tried, and not announced yet";
  ahead_ = 100;
  batch(10);
  ASSERT_EQ(task_->uses()[0].spares.size(), 1u);
  publish("3");
  task_->begin_batch();
  ASSERT_EQ(task_->uses()[0].spares.size(), 2u);
  EXPECT_EQ(task_->uses()[0].spares[0]->version, "3");
  EXPECT_EQ(task_->uses()[0].spares[1]->version, "2");
  commit();
  start(30);
  task_->begin_batch();
  ASSERT_EQ(task_->uses()[0].spares.size(), 2u) << "after a restart, too";
  task_->take_over({0, task_->uses()[0].spares[0]}, 30);
  EXPECT_EQ(task_->next_swap(), std::nullopt);
  EXPECT_EQ(batch(10), "3");
  commit();
  EXPECT_EQ(stored(), (Since{{0, "1"}, {30, "3"}}));
  start(40);
  EXPECT_EQ(batch(10), "3");
}

TEST_F(TaskOfAModel, DoesNotAnnounceWhatAnotherPartitionHasRejected) {
  start(0);
  batch(10);
  publish("2");
  batch(10);
  ASSERT_TRUE(task_->swap_due());
  model_->reject(model_->newest(), nullptr, "another partition");
  EXPECT_EQ(batch(10), "1");
  EXPECT_EQ(batch(10), "1");
}

TEST_F(TaskOfAModel, WaitsWhereItsVersionCannotBeHadForNow) {
  start(0);
  batch(10);
  commit();
  for (const char* version : {"2", "3", "4"}) publish(version);
  task_.reset();
  ModelVersionsOptions options;
  options.on_lost_version = OnLostVersion::current;
  model_ = fake_versions(registry_, options);
  stage_.resolved.models[0].versions = model_;
  registry_->away = "it is away";
  try {
    static_cast<void>(restore_models(stage_, *store_, partition_, 10));
    FAIL() << "went on";
  } catch (const ModelAway& away) {
    EXPECT_EQ(away.version(), "version 1 of fake:shaking@champion");
  }
}

TEST_F(TaskOfAModel, ScoresRowsThatComeAgainAsTheyWere) {
  const Since versions = {{0, "1"}, {100, "2"}, {200, "1"}, {300, "3"}};
  const Change change = versions_change("model(m)", versions);
  store_->apply(std::span(&change, 1), {});
  publish("4");
  start(150);
  EXPECT_EQ(task_->next_swap(), 200);
  EXPECT_EQ(batch(50), "2");
  EXPECT_EQ(batch(50), "1");
  EXPECT_EQ(task_->next_swap(), 300);
  EXPECT_EQ(batch(50), "1");
  EXPECT_EQ(batch(50), "3") << "the swap at 300 is made, and only then is 4 tried";
  EXPECT_EQ(task_->next_swap(), std::nullopt);
  EXPECT_EQ(batch(10), "4");
  commit();
  EXPECT_EQ(stored().back(), (VersionSince{350, "4"}));
  EXPECT_EQ(stored().size(), 5u);
}

TEST_F(TaskOfAModel, KeepsSoManyVersions) {
  start(0);
  for (int version = 2; version < 40; ++version) {
    publish(std::to_string(version));
    batch(1);
    batch(1);
  }
  commit();
  EXPECT_EQ(stored().size(), versions_kept);
  EXPECT_EQ(stored().back().version, "39");
}

TEST_F(TaskOfAModel, SaysWhichVersionIsGone) {
  start(0);
  batch(10);
  commit();
  publish("2");
  publish("3");
  publish("4");  // 1 is in memory no more
  task_.reset();
  registry_->gone = {"1"};
  try {
    start(10);
    FAIL() << "started";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::state);
    EXPECT_STREQ(
        error.what(),
        "in partition 0 is scored by version 1 of fake:shaking@champion from offset 0 on, which cannot be "
        "loaded: there is no version 1. Put that version back into the registry, or say "
        "on_lost_version=\"current\" to go on with the one that the registry names now");
  }
  ModelVersionsOptions options;
  options.on_lost_version = OnLostVersion::current;
  model_ = fake_versions(registry_, options);
  stage_.resolved.models[0].versions = model_;
  start(10);
  EXPECT_EQ(batch(10), "4");
  commit();
  EXPECT_EQ(stored(), (Since{{10, "4"}}));
}

/// For ThreadSanitizer: tasks of several workers, and somebody who publishes.
TEST(ModelsOfManyTasks, ChangeTogether) {
  const auto registry = std::make_shared<FakeRegistry>();
  const auto model = fake_versions(registry);
  Stage stage{ResolvedStage()};
  stage.resolved.models = {{model, "tiderace.model.shaking", "model(m)"}};
  std::atomic<bool> stop{false};
  std::vector<std::thread> workers;
  for (int number = 0; number < 3; ++number) {
    workers.emplace_back([&, number] {
      TaskModels task(stage, {"in", number}, {});
      task.begin(0);
      for (std::int64_t position = 0; !stop; ++position) {
        if (task.swap_due()) task.announce(position, 0);
        task.reach(position);
        task.begin_batch();
        ModelUse& use = task.uses()[0];
        EXPECT_EQ(std::to_string(static_cast<int>(std::stod(use.current->version))), use.current->version);
        if (use.candidate && position % 7 == 0) use.failure = "it fails";
        if (use.candidate && position % 7 != 0) use.tried = true;
        task.end_batch();
        std::vector<Change> changes;
        task.flush(changes, position, 0);
        task.committed();
      }
    });
  }
  for (int version = 2; version < 200; ++version) {
    {
      const std::lock_guard lock(registry->mutex);
      registry->current = std::to_string(version);
    }
    EXPECT_TRUE(model->look());
    static_cast<void>(model->uses());
  }
  stop = true;
  for (std::thread& worker : workers) worker.join();
  EXPECT_EQ(model->uses(), (std::map<std::string, int>()));
}

}  // namespace
}  // namespace tiderace
