// Models of a registry of files through the public API, while versions come.

#include <gtest/gtest.h>
#include <tiderace/tiderace.h>

#include <thread>

#include "models/registry_folder.h"
#include "temporary_directory.h"

namespace tiderace {
namespace {

using namespace std::chrono_literals;

constexpr const char* row = R"({"f0":-1.476,"f1":0.4396,"f2":0.8716})";

struct Scored {
  std::string version;
  std::string value;
};

class Home {
 public:
  [[nodiscard]] Application application(ProcessingGuarantee guarantee) const {
    return Application({.broker_address = "embedded:" + directory_.path() + "/log",
                        .consumer_group = "test",
                        .processing_guarantee = guarantee});
  }
  void produce(Application& app) const {
    auto producer = app.get_producer();
    producer.produce({.topic = "in", .key = "a", .value = row, .timestamp = 1});
  }
  /// What is in the output, once it has `count` rows.
  [[nodiscard]] std::vector<Scored> scored(Application& app, std::size_t count) const {
    TopicReader reader = app.get_reader({"out"});
    std::vector<Scored> found;
    while (found.size() < count) {
      for (const TopicRecord& record : reader.poll(10s)) {
        for (const auto& [name, value] : record.headers()) {
          if (name == "tiderace.model.shaking")
            found.push_back({value.value_or(""), std::string(*record.value)});
        }
      }
    }
    return found;
  }
  [[nodiscard]] RegistryFolder registry() const { return RegistryFolder(directory_.path() + "/shaking"); }

 private:
  TemporaryDirectory directory_;
};

class ModelsThatChange : public testing::TestWithParam<ProcessingGuarantee> {};

TEST_P(ModelsThatChange, TakeOverBetweenBatches) {
  const Home home;
  RegistryFolder registry = home.registry();
  registry.publish("squared.ubj");
  Application app = home.application(GetParam());
  const TrainedModel model = load_model("file:" + registry.path(), {.poll_interval = 1ms});
  const TrainedModel other = load_model(registry.path() + "@1");
  auto sdf = app.dataframe(app.topic("in"));
  sdf["p"] = model.predict(sdf[{"f0", "f1", "f2"}], {.version_column = "version", .shadow = &other});
  sdf.to_topic(app.topic("out"));
  home.produce(app);
  app.run({.until_end = true});
  EXPECT_EQ(model.version(), "1");
  std::thread service([&] { app.run(); });
  registry.publish("poisson.ubj");
  while (model.version() != "2") std::this_thread::yield();
  std::vector<Scored> found;
  for (std::size_t count = 2; count <= 3; ++count) {
    home.produce(app);
    found = home.scored(app, count);
  }
  app.stop();
  service.join();
  ASSERT_EQ(found.size(), 3u);
  EXPECT_EQ(found[0].version, "1");
  EXPECT_EQ(found[1].value, found[0].value) << "it is tried on the second row";
  EXPECT_EQ(found[2].version, "2");
  EXPECT_NE(found[2].value.find(R"("version":"2")"), std::string::npos) << found[2].value;
  EXPECT_NE(found[2].value.find("p-shadow"), std::string::npos) << found[2].value;
  EXPECT_NE(app.explain().find("(version 2)"), std::string::npos) << app.explain();
}

INSTANTIATE_TEST_SUITE_P(Guarantees, ModelsThatChange,
                         testing::Values(ProcessingGuarantee::at_least_once,
                                         ProcessingGuarantee::exactly_once));

TEST(ModelsOfARegistry, AreCheckedWhereTheyAreUsed) {
  const Home home;
  RegistryFolder registry = home.registry();
  registry.publish("named.ubj", R"({"gForceTotal":"float64","gForceTotal-10s":"float64","größe":"float64"})");
  Application app = home.application(ProcessingGuarantee::at_least_once);
  auto sdf = app.dataframe(app.topic("in"));
  const auto refused = [](const auto& call) -> std::string {
    try {
      call();
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  };
  const TrainedModel model = load_model(registry.path());
  EXPECT_NE(refused([&] {
              static_cast<void>(model.predict(sdf[{"gForceTotal", "mean", "größe"}]));
            }).find("missing: gForceTotal-10s; not known to it: mean"),
            std::string::npos);
  EXPECT_NE(refused([&] {
              static_cast<void>(load_model(registry.path(), {.poll_interval = 0s}));
            }).find("a time above 0"),
            std::string::npos);
  const std::string file = registry.blob("named.ubj");
  EXPECT_NE(refused([&] {
              static_cast<void>(load_model(file, {.poll_interval = 1s}));
            }).find("for models in a registry"),
            std::string::npos);
  EXPECT_EQ(load_model(file).version(), "");
}

TEST(ModelsOfOthers, AreNamedAsWhatTheyAre) {
  const auto refusal = [](const std::string& path) {
    try {
      static_cast<void>(load_model(path));
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::config);
      return std::string(error.what());
    }
    return std::string();
  };
  for (const char* path : {"s3://bucket/shaking", "models:/shaking@champion"})
    EXPECT_NE(refusal(path).find("in Python only"), std::string::npos) << refusal(path);
  EXPECT_NE(refusal("shaking.pkl").find("wanted a model of XGBoost"), std::string::npos);
  EXPECT_NE(refusal("nowhere.ubj").find("no model at"), std::string::npos);
}

}  // namespace
}  // namespace tiderace
