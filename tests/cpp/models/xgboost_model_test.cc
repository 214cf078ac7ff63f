#include "models/xgboost_model.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <tiderace/error.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>
#include <map>
#include <random>
#include <thread>

#include "models/document.h"
#include "models/model_file.h"

namespace tiderace {
namespace {

std::string data(const std::string& name) {
  return TIDERACE_SOURCE_DIR "/tests/cpp/models/data/" + name;
}

/// The numbers of expected.json by path.
class Expected : public DocumentVisitor {
 public:
  Expected() {
    walk_document(read_model_file(data("expected.json"), ""), *this);
    for (double& value : numbers.at("rows")) {
      if (value == -999) value = std::numeric_limits<double>::quiet_NaN();
    }
  }
  void text(std::string_view, std::string_view) override {}
  void number(std::string_view path, double value) override { numbers[std::string(path)].push_back(value); }
  void array(std::string_view, std::size_t) override {}
  void object(std::string_view) override {}
  [[nodiscard]] FeatureMatrix rows(std::span<const std::string> names = {}) const {
    const std::vector<double>& values = numbers.at("rows");
    return {values, values.size() / 3, 3, names};
  }
  std::map<std::string, std::vector<double>> numbers;
};

Column predicted(Model& model, const FeatureMatrix& features) {
  ColumnBuilder builder(features.rows);
  const auto failure = model.predict(features, builder);
  EXPECT_FALSE(failure.has_value()) << failure->message;
  return Column(std::move(builder));
}

/// The error of loading, or "".
std::string refusal(const std::string& path, const std::string& sha256 = "",
                    const std::string& method = "predict") {
  try {
    (void)load_xgboost_model(path, sha256, method);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::config);
    return error.what();
  }
  return "";
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

/// A file of the given bytes that is gone at the end of the test.
class TemporaryFile {
 public:
  explicit TemporaryFile(std::string_view bytes)
      : path_(testing::TempDir() +
              fmt::format("model-{}-{}.ubj", std::random_device()(), static_cast<void*>(this))) {
    std::ofstream(path_, std::ios::binary) << bytes;
  }
  ~TemporaryFile() { std::filesystem::remove(path_); }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

TEST(XgboostModel, PredictsWhatPythonPredicts) {
  const Expected expected;
  int compared = 0;
  for (const auto& [path, values] : expected.numbers) {
    if (!path.starts_with("models.")) continue;
    const std::size_t dot = path.rfind('.');
    const std::string name = path.substr(7, dot - 7);
    const std::string method = path.substr(dot + 1);
    const FeatureMatrix rows = expected.rows();
    const auto model = load_xgboost_model(data(name + ".ubj"), "", method);
    const Column found = predicted(*model, rows);
    ++compared;
    if (values.size() != rows.rows)
      continue;  // an array for every row; see ProbabilitiesOfManyClassesAreAnArray
    for (std::size_t i = 0; i < rows.rows; ++i) {
      const double tolerance = 1e-6 * std::max(1.0, std::abs(values[i]));
      EXPECT_NEAR(found.as_double(i), values[i], tolerance) << path << " row " << i;
    }
  }
  EXPECT_EQ(compared, 28);
}

TEST(XgboostModel, LabelsAreIntegersAndNumbersAreFloats) {
  const Expected expected;
  const auto all = [&](const char* name, const char* method, Kind kind) {
    return predicted(*load_xgboost_model(data(name), "", method), expected.rows()).all(kind);
  };
  EXPECT_TRUE(all("logistic.ubj", "predict", Kind::int64));
  EXPECT_TRUE(all("logistic.ubj", "predict_proba", Kind::float64));
  EXPECT_TRUE(all("softprob.ubj", "predict", Kind::int64));
  EXPECT_TRUE(all("softmax.ubj", "predict", Kind::int64));
  EXPECT_TRUE(all("squared.ubj", "predict", Kind::float64));
}

TEST(XgboostModel, ProbabilitiesOfManyClassesAreAnArray) {
  const Expected expected;
  for (const std::string name : {"softprob", "softprob_half"}) {
    const auto model = load_xgboost_model(data(name + ".ubj"), "", "predict_proba");
    const Column found = predicted(*model, expected.rows());
    ASSERT_TRUE(found.all(Kind::nested));
    const std::vector<double>& wanted = expected.numbers.at("models." + name + ".predict_proba");
    ASSERT_EQ(wanted.size(), found.size() * 3);
    for (std::size_t i = 0; i < found.size(); ++i) {
      Expected array;
      array.numbers.clear();
      walk_document(fmt::format(R"({{"row":{}}})", found.text(i)), array);
      ASSERT_EQ(array.numbers.at("row").size(), 3u) << found.text(i);
      for (std::size_t j = 0; j < 3; ++j) EXPECT_NEAR(array.numbers.at("row")[j], wanted[3 * i + j], 1e-6);
    }
  }
}

TEST(XgboostModel, OneRowAtATimeIsTheSameAsAllAtOnce) {
  const Expected expected;
  const FeatureMatrix rows = expected.rows();
  for (const char* name : {"logistic.ubj", "softprob.ubj"}) {
    const auto model = load_xgboost_model(data(name), "", "predict_proba");
    const Column together = predicted(*model, rows);
    for (std::size_t i = 0; i < rows.rows; ++i) {
      const Column alone = predicted(*model, {rows.values.subspan(3 * i, 3), 1, 3, {}});
      if (alone.kind(0) == Kind::nested)
        EXPECT_EQ(alone.text(0), together.text(i));
      else
        EXPECT_EQ(alone.values()[0], together.values()[i]);
    }
  }
}

TEST(XgboostModel, SeveralThreadsMayShareAModel) {
  const Expected expected;
  const auto model = load_xgboost_model(data("softprob.ubj"), "", "predict_proba");
  const Column wanted = predicted(*model, expected.rows());
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 200; ++i) {
        const Column found = predicted(*model, expected.rows());
        for (std::size_t row = 0; row < wanted.size(); ++row) ASSERT_EQ(found.text(row), wanted.text(row));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST(XgboostModel, NoRowsAreNoWork) {
  const auto model = load_xgboost_model(data("logistic.ubj"), "", "predict");
  EXPECT_EQ(predicted(*model, {{}, 0, 3, {}}).size(), 0u);
  EXPECT_EQ(model->name(), "logistic.ubj");
}

TEST(XgboostModel, ReadsJsonWithAnyWhiteSpace) {
  const Expected expected;
  const std::string json = read_model_file(data("named.json"), "");
  const TemporaryFile spaced("\n {\n  " + json.substr(1));
  const Column wanted =
      predicted(*load_xgboost_model(data("named.ubj"), "", "predict_proba"), expected.rows());
  for (const std::string& path : {data("named.json"), spaced.path()}) {
    const Column found = predicted(*load_xgboost_model(path, "", "predict_proba"), expected.rows());
    for (std::size_t i = 0; i < wanted.size(); ++i) EXPECT_EQ(found.float64(i), wanted.float64(i));
  }
}

TEST(XgboostModel, NamesOtherFeaturesThanItWasTrainedOn) {
  const Expected expected;
  const auto model = load_xgboost_model(data("named.ubj"), "", "predict");
  const std::vector<Feature> two = {{"a"}, {"b"}};
  EXPECT_EQ(model->mismatch(two),
            "named.ubj: the model was trained on 3 features (gForceTotal, gForceTotal-10s, größe), found 2 "
            "(a, b); select "
            "the columns that it was trained on");
  const std::vector<Feature> swapped = {{"gForceTotal-10s"}, {"gForceTotal"}, {"größe"}};
  EXPECT_EQ(model->mismatch(swapped),
            "named.ubj: the model was trained on the features (gForceTotal, gForceTotal-10s, größe), found "
            "(gForceTotal-10s, "
            "gForceTotal, größe); select them under these names, in this order");
  const std::vector<Feature> right = {{"gForceTotal"}, {"gForceTotal-10s"}, {"größe"}};
  EXPECT_EQ(model->mismatch(right), std::nullopt);
  EXPECT_EQ(load_xgboost_model(data("logistic.ubj"), "", "predict")->mismatch(swapped), std::nullopt);
}

TEST(XgboostModel, RefusesWhatItWouldComputeOtherwise) {
  const std::map<std::string, std::string> reasons = {
      {"refused_gblinear.ubj", "found 'gblinear'"},
      {"refused_targets.ubj", "found num_target = 2"},
      {"refused_vector_leaf.ubj", "multi_strategy=\"one_output_per_tree\""},
      {"refused_quantile.ubj", "the objective 'reg:quantileerror'"},
      {"refused_rank.ubj", "the objective 'rank:ndcg'"},
      {"refused_categories.ubj", "found categorical ones"},
  };
  for (const auto& [name, reason] : reasons) {
    const std::string message = refusal(data(name));
    EXPECT_TRUE(contains(message, "cannot load the model '" + data(name) + "': ")) << message;
    EXPECT_TRUE(contains(message, reason)) << message;
  }
}

TEST(XgboostModel, RefusesVersionsAndParametersThatItDoesNotKnow) {
  std::string json = read_model_file(data("named.json"), "");
  const auto changed = [&json](const std::string& from, const std::string& to) {
    std::string copy = json;
    const std::size_t at = copy.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    return copy.replace(at, from.size(), to);
  };
  const auto message_of = [](const std::string& bytes) { return refusal(TemporaryFile(bytes).path()); };
  EXPECT_TRUE(
      contains(message_of(changed("\"version\":[3", "\"version\":[4")), "found one of version 4.2.0"));
  EXPECT_TRUE(contains(message_of(changed("\"num_target\"", "\"num_tides\"")),
                       "num_tides = '1', which this XGBoost"));
  EXPECT_TRUE(contains(message_of(changed("\"base_score\":\"[", "\"base_score\":\"[1E0,")),
                       "wanted one base_score, found 2"));
  EXPECT_TRUE(
      contains(message_of(changed("\"num_class\":\"", "\"num_class\":\"x")), "wanted a number as num_class"));
}

TEST(XgboostModel, RefusesTreesThatCannotBeWalked) {
  const std::string json = read_model_file(data("named.json"), "");
  const auto message_of = [&json](const std::string& name, const std::string& value) {
    const std::size_t begin = json.find("\"" + name + "\":[") + name.size() + 4;
    std::string copy = json;
    return refusal(TemporaryFile(copy.replace(begin, copy.find_first_of(",]", begin) - begin, value)).path());
  };
  EXPECT_TRUE(contains(message_of("left_children", "0"), "tree 0 is damaged: node 0 has a wrong child"));
  EXPECT_TRUE(contains(message_of("left_children", "1000000"), "node 0 has a wrong child"));
  EXPECT_TRUE(contains(message_of("right_children", "-2"), "node 0 has a wrong child"));
  EXPECT_TRUE(contains(message_of("split_indices", "7"), "a tree splits feature 7, but the model has 3"));
  EXPECT_TRUE(contains(message_of("split_indices", "-7"), "node 0 splits a feature that does not exist"));
  EXPECT_TRUE(contains(message_of("parents", "1,1"), "its arrays differ in length"));
  EXPECT_TRUE(contains(message_of("tree_info", "5"), "a tree adds to output 5, but the model has 1"));
  EXPECT_TRUE(contains(message_of("tree_info", "0,0"), "wanted as many trees as the model says, 3"));
}

TEST(XgboostModel, RefusesWhatIsNoModel) {
  EXPECT_TRUE(contains(refusal("no/such.ubj"), "no model at 'no/such.ubj' (looked from /"));
  EXPECT_TRUE(contains(refusal(data("")), "is a directory"));
  EXPECT_TRUE(contains(refusal(TemporaryFile("\x80\x04 pickle").path()), "byte 0: wanted the opening brace"));
  EXPECT_TRUE(contains(refusal(TemporaryFile("{\"a\":1}").path()), "wanted an XGBoost model"));
  const std::string whole = read_model_file(data("logistic.ubj"), "");
  EXPECT_TRUE(contains(refusal(TemporaryFile(whole.substr(0, 1000)).path()), "found the end of the file"));
}

TEST(XgboostModel, RefusesAMethodThatTheModelLacks) {
  EXPECT_TRUE(
      contains(refusal(data("squared.ubj"), "", "predict_proba"), "found one trained for reg:squarederror"));
  EXPECT_TRUE(contains(refusal(data("squared.ubj"), "", "score"), "found 'score'"));
}

TEST(ModelFile, ChecksTheSha256) {
  EXPECT_EQ(sha256_of("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256_of(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  std::string digest = sha256_of(read_model_file(data("logistic.ubj"), ""));
  EXPECT_EQ(refusal(data("logistic.ubj"), digest), "");
  for (char& letter : digest) letter = static_cast<char>(std::toupper(static_cast<unsigned char>(letter)));
  EXPECT_EQ(refusal(data("logistic.ubj"), digest), "");
  EXPECT_TRUE(contains(refusal(data("logistic.ubj"), std::string(64, '0')), "wanted SHA-256 0000"));
}

}  // namespace
}  // namespace tiderace
