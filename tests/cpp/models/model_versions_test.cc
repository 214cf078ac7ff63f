#include "models/model_versions.h"

#include <gtest/gtest.h>

#include <thread>

#include "models/fake_source.h"

namespace tiderace {
namespace {

class Versions : public testing::Test {
 protected:
  void now(const std::string& version) {
    const std::lock_guard lock(registry_->mutex);
    registry_->current = version;
  }
  [[nodiscard]] std::string newest() const { return model_->newest()->version; }
  [[nodiscard]] std::uint64_t failures() const { return model_->counters().load_failures; }

  std::shared_ptr<FakeRegistry> registry_ = std::make_shared<FakeRegistry>();
  std::shared_ptr<ModelVersions> model_ = fake_versions(registry_);
};

TEST_F(Versions, AreTheNewestThatWasLookedFor) {
  EXPECT_EQ(newest(), "1");
  const std::uint64_t first = model_->sequence();
  const auto before = std::chrono::steady_clock::now();
  EXPECT_FALSE(model_->looked_since(before));
  EXPECT_TRUE(model_->look());
  EXPECT_EQ(model_->sequence(), first) << "nothing is new";
  now("2");
  EXPECT_EQ(newest(), "1") << "nobody has looked";
  EXPECT_TRUE(model_->look());
  EXPECT_EQ(newest(), "2");
  EXPECT_NE(model_->sequence(), first);
  EXPECT_TRUE(model_->looked_since(before));
  EXPECT_FALSE(model_->looked_since(std::chrono::steady_clock::now()));
}

TEST_F(Versions, ComeFromMemoryWhereTheyAreInUse) {
  const LoadedModelPtr first = model_->newest();
  now("2");
  model_->look();
  const int loads = registry_->loads;
  EXPECT_EQ(model_->load("1"), first);
  EXPECT_EQ(model_->load("2"), model_->newest());
  EXPECT_EQ(registry_->loads, loads);
  EXPECT_EQ(model_->load("7")->version, "7");
}

TEST_F(Versions, ThatFailABatchGiveWayToTheOneBefore) {
  now("2");
  model_->look();
  const LoadedModelPtr second = model_->newest();
  const std::uint64_t before = model_->sequence();
  model_->reject(second, second, "it fails");
  model_->reject(second, nullptr, "another task says so, too");
  EXPECT_EQ(newest(), "1");
  EXPECT_NE(model_->sequence(), before);
  EXPECT_EQ(model_->counters().rollbacks, 1u);
  EXPECT_TRUE(model_->look());
  EXPECT_EQ(newest(), "1") << "it is remembered";
  now("3");
  model_->look();
  EXPECT_EQ(newest(), "3");
  now("2");
  model_->look();
  EXPECT_EQ(newest(), "2") << "somebody has pointed there anew";
  model_->begin_run();
  EXPECT_EQ(model_->counters().rollbacks, 0u);
}

TEST_F(Versions, ThatTheOnlyOneThereIsStaysWhateverIsSaidOfIt) {
  model_->reject(model_->newest(), model_->newest(), "it fails");
  EXPECT_EQ(newest(), "1");
  EXPECT_EQ(model_->counters().rollbacks, 0u);
}

TEST_F(Versions, ThatFailGiveWayToWhatTheTaskUsesWhereNothingElseIsKnown) {
  now("2");
  model_ = fake_versions(registry_);  // a process that begins
  const LoadedModelPtr restored = model_->load("1");
  model_->reject(model_->newest(), restored, "it fails");
  EXPECT_EQ(newest(), "1");
  EXPECT_EQ(model_->counters().rollbacks, 1u);
  EXPECT_TRUE(model_->look());
  EXPECT_EQ(newest(), "1") << "it is remembered";
}

TEST_F(Versions, ThatFailedAreAllRemembered) {
  now("2");
  model_->look();
  const LoadedModelPtr second = model_->newest();
  now("3");
  model_->look();
  const LoadedModelPtr third = model_->newest();
  model_->reject(third, model_->load("1"), "it fails");
  EXPECT_EQ(newest(), "2");
  model_->reject(second, model_->load("1"), "it fails, too");
  EXPECT_EQ(newest(), "1");
  for (int i = 0; i < 3; ++i) model_->look();
  EXPECT_EQ(newest(), "1") << "the source still names 3";
  EXPECT_TRUE(model_->is_rejected("2"));
  EXPECT_TRUE(model_->is_rejected("3"));
  model_->reject(model_->newest(), third, "a task that is on 3 by now says so");
  EXPECT_EQ(newest(), "1") << "not in favour of one that was rejected";
  now("4");
  model_->look();
  EXPECT_EQ(newest(), "4");
  EXPECT_FALSE(model_->is_rejected("3"));
}

TEST_F(Versions, InMemoryAreThereWhateverTheRegistryDoes) {
  std::unique_lock hangs(registry_->mutex);
  std::thread looking([this] { model_->look(); });
  EXPECT_EQ(model_->load("1")->version, "1");
  hangs.unlock();
  looking.join();
}

TEST_F(Versions, AreAskedForByWhoeverNeedsNews) {
  std::atomic<bool> stop{false};
  std::thread watch([&] {
    while (!stop) {
      if (model_->wait_until_asked(std::chrono::hours(1)) && !stop) model_->look();
    }
  });
  now("2");
  const auto before = std::chrono::steady_clock::now();
  model_->ask_to_look(std::chrono::minutes(1));
  EXPECT_EQ(newest(), "2");
  EXPECT_TRUE(model_->looked_since(before));
  registry_->away = "it is away";
  model_->ask_to_look(std::chrono::minutes(1));
  EXPECT_EQ(failures(), 1u) << "an answer, too";
  {
    const std::lock_guard hangs(registry_->mutex);
    model_->ask_to_look(std::chrono::milliseconds(1));
    model_->ask_to_look(std::chrono::milliseconds(1));
  }
  model_->interrupt(true);
  model_->ask_to_look(std::chrono::minutes(1));
  model_->interrupt(false);
  stop = true;
  model_->wake_watch();
  watch.join();
}

TEST_F(Versions, ThatCannotBeHadChangeNothing) {
  registry_->away = "it is away";
  EXPECT_FALSE(model_->look());
  EXPECT_FALSE(model_->looked_since(std::chrono::steady_clock::time_point()));
  EXPECT_EQ(failures(), 1u);
  registry_->away.clear();
  registry_->gone = {"2"};
  now("2");
  EXPECT_FALSE(model_->look());
  EXPECT_EQ(newest(), "1");
  EXPECT_THROW(static_cast<void>(model_->load("2")), VersionGone);
  registry_->gone.clear();
  EXPECT_TRUE(model_->look());
  EXPECT_EQ(newest(), "2");
}

TEST_F(Versions, AreHeldAgainstTheFeaturesOfThePlan) {
  const std::vector<Feature> features = {{"a", any_mask}, {"b", mask_of(Kind::string) | number_mask}};
  const KindMask float64 = mask_of(Kind::float64);
  registry_->trained["2"] = {{"a", float64}, {"c", float64}};
  registry_->trained["3"] = {{"a", float64}, {"b", float64}};
  model_->require("predict", features);
  now("2");
  EXPECT_FALSE(model_->look());
  EXPECT_EQ(newest(), "1");
  now("3");
  EXPECT_TRUE(model_->look());
  EXPECT_EQ(newest(), "3");
  const std::vector<Feature> others = {{"b", any_mask}};
  try {
    model_->require("predict", others);
    FAIL() << "took them";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::plan);
    EXPECT_STREQ(
        error.what(),
        "model version 3: the model was trained on the features (a, b), the pipeline gives (b); missing: "
        "a; select them under these names, in this order");
  }
}

TEST_F(Versions, HaveTheMethodsThatThePlanCalls) {
  const std::vector<Feature> features = {{"a"}};
  model_->require("predict", features);
  model_->require("predict_proba", features);
  EXPECT_TRUE(model_->newest()->methods.contains("predict_proba"));
  now("2");
  model_->look();
  EXPECT_EQ(model_->newest()->methods.size(), 2u);
  EXPECT_THROW(model_->require("transform", features), Error);
}

TEST_F(Versions, AreWhatAControlTopicSays) {
  now("3");
  model_->point("2");
  model_->look();
  EXPECT_EQ(newest(), "2");
  model_->point(std::nullopt);
  model_->look();
  EXPECT_EQ(newest(), "3");
}

TEST_F(Versions, AreCountedWhereTheyAreInUse) {
  model_->count_use("1", 1);
  model_->count_use("2", 1);
  model_->count_use("1", -1);
  EXPECT_EQ(model_->uses(), (std::map<std::string, int>{{"2", 1}}));
}

TEST(Features, OfOtherKindsAreNamed) {
  const auto kinds = [](Kind trained, KindMask given) {
    const auto model =
        with_features(std::make_shared<TimesVersion>(1, false), "m", {{"a", mask_of(trained)}});
    const std::vector<Feature> features = {{"a", given}};
    return model->mismatch(features);
  };
  EXPECT_FALSE(kinds(Kind::float64, mask_of(Kind::int64)));
  EXPECT_FALSE(kinds(Kind::float64, mask_of(Kind::boolean)));
  EXPECT_FALSE(kinds(Kind::int64, any_mask));
  EXPECT_FALSE(kinds(Kind::int64, mask_of(Kind::int64) | mask_of(Kind::float64)));
  EXPECT_EQ(kinds(Kind::int64, mask_of(Kind::float64)),
            "m: the model was trained on a as int64, the pipeline gives float64; convert it with "
            "astype(\"int64\"), or train on what the pipeline gives");
  EXPECT_TRUE(kinds(Kind::boolean, mask_of(Kind::int64) | mask_of(Kind::float64)));
}

}  // namespace
}  // namespace tiderace
