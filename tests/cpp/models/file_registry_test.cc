#include "models/file_registry.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "models/model_file.h"
#include "models/registry_folder.h"
#include "temporary_directory.h"

namespace tiderace {
namespace {

const std::vector<std::string> predict = {"predict"};

std::string refusal(const auto& call) {
  try {
    call();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::config);
    return error.what();
  }
  return "no error";
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

class Folder : public testing::Test {
 protected:
  [[nodiscard]] std::unique_ptr<ModelSource> source(const std::string& pointer = "",
                                                    const std::string& sha256 = "") const {
    const auto reference = file_reference("file:" + folder_.path() + pointer);
    EXPECT_TRUE(reference.has_value());
    return file_source(*reference, sha256);
  }

  TemporaryDirectory directory_;
  RegistryFolder folder_{directory_.path() + "/shaking"};
};

TEST_F(Folder, HasVersionsAndAliases) {
  folder_.publish("logistic.ubj");
  folder_.publish("named.ubj", R"({"gForceTotal":"float64","gForceTotal-10s":"float64","größe":"int64"})");
  folder_.point("champion", "1\n");
  EXPECT_EQ(source()->resolve(), "2");
  EXPECT_EQ(source("@latest")->resolve(), "2");
  EXPECT_EQ(source("@champion")->resolve(), "1");
  EXPECT_EQ(source("@01")->resolve(), "1");
  const auto models = source()->load("2", predict);
  const std::vector<Feature> features = {
      {"gForceTotal"}, {"gForceTotal-10s"}, {"größe", mask_of(Kind::float64)}};
  EXPECT_EQ(
      models.at(0)->mismatch(features),
      "shaking version 2: the model was trained on größe as int64, the pipeline gives float64; convert it "
      "with astype(\"int64\"), or train on what the pipeline gives");
  EXPECT_EQ(source()->load("1", predict).at(0)->name(), "shaking version 1");
  EXPECT_TRUE(
      contains(refusal([&] { static_cast<void>(source("@nobody")->resolve()); }), "no alias 'nobody'"));
  EXPECT_THROW(static_cast<void>(source()->load("3", predict)), VersionGone);
}

TEST_F(Folder, IsEmptyOrDamagedAndSaysSo) {
  const auto resolve = [&] { static_cast<void>(source()->resolve()); };
  EXPECT_TRUE(contains(refusal([&] { static_cast<void>(source("@champion")->resolve()); }), "no model at "));
  EXPECT_TRUE(contains(refusal(resolve), "publish one"));
  folder_.publish("logistic.ubj");
  folder_.point("champion", "one");
  EXPECT_TRUE(contains(refusal([&] { static_cast<void>(source("@champion")->resolve()); }), "is damaged"));
  const auto load = [&] { static_cast<void>(source()->load("1", predict)); };
  const std::string blob = folder_.blob("logistic.ubj");
  std::filesystem::resize_file(blob, 100);
  EXPECT_TRUE(contains(refusal(load), "(100 bytes)"));
  std::filesystem::remove(blob);
  EXPECT_TRUE(contains(refusal(load), "are gone"));
  for (const char* text : {"", "{", "{}", R"({"format":2,"file":"m.ubj","sha256":"x"})"}) {
    folder_.describe("1", text);
    EXPECT_TRUE(contains(refusal(load), "1.json is damaged")) << text;
  }
  folder_.describe("1", R"({"format":1,"file":"model.pkl","sha256":"x"})");
  EXPECT_TRUE(contains(refusal(load), "which runs in Python only"));
}

/// What `call` throws is for good.
bool is_gone(const auto& call) {
  try {
    call();
  } catch (const VersionGone&) {
    return true;
  } catch (const Error&) {
    return false;
  }
  return false;
}

TEST_F(Folder, ThatIsAwayHasLostNoVersion) {
  const auto load = [&] { static_cast<void>(source("@1")->load("1", predict)); };
  folder_.publish("logistic.ubj");
  folder_.publish("named.ubj");
  const auto expect_away_without = [&](const std::string& path) {
    std::filesystem::rename(path, path + "-away");
    EXPECT_TRUE(contains(refusal(load), "nothing else is in")) << path;
    EXPECT_FALSE(is_gone(load)) << path;
    std::filesystem::create_directories(path);
    EXPECT_FALSE(is_gone(load)) << path;
    std::filesystem::remove(path);
    std::filesystem::rename(path + "-away", path);
  };
  expect_away_without(folder_.path());
  expect_away_without(folder_.path() + "/versions");
  expect_away_without(folder_.path() + "/blobs");
  EXPECT_EQ(refusal(load), "no error");
  std::filesystem::remove(folder_.blob("logistic.ubj"));
  EXPECT_TRUE(is_gone(load));
  std::filesystem::remove(folder_.path() + "/versions/1.json");
  EXPECT_TRUE(is_gone(load));
}

TEST_F(Folder, ThatCannotBeReadHasLostNoVersion) {
  folder_.publish("logistic.ubj");
  folder_.publish("named.ubj");
  folder_.point("champion", "1\n");
  const auto load = [&] {
    static_cast<void>(source("@champion")->load(source("@champion")->resolve(), predict));
  };
  const auto expect_unreadable = [&](const std::string& path) {
    std::filesystem::rename(path, path + ".aside");
    std::filesystem::create_symlink(path, path);
    EXPECT_TRUE(contains(refusal(load), "Too many levels of symbolic links")) << path;
    EXPECT_FALSE(is_gone(load)) << path;
    std::filesystem::remove(path);
    std::filesystem::create_directory(path);
    EXPECT_TRUE(contains(refusal(load), "irectory")) << path;
    EXPECT_FALSE(is_gone(load)) << path;
    std::filesystem::remove(path);
    std::filesystem::rename(path + ".aside", path);
  };
  expect_unreadable(folder_.path() + "/aliases/champion");
  expect_unreadable(folder_.path() + "/versions/1.json");
  expect_unreadable(folder_.blob("logistic.ubj"));
  EXPECT_EQ(refusal(load), "no error");
  const std::string versions = folder_.path() + "/versions";
  std::filesystem::rename(versions, versions + "-aside");
  std::filesystem::create_symlink(versions, versions);
  EXPECT_TRUE(contains(refusal([&] { static_cast<void>(source()->resolve()); }), "cannot list"));
}

TEST_F(Folder, IsHeldToAHash) {
  folder_.publish("logistic.ubj");
  EXPECT_TRUE(
      contains(refusal([&] { static_cast<void>(source("", std::string(64, '0'))->load("1", predict)); }),
               "wanted SHA-256 0000"));
}

TEST_F(Folder, IsToldFromAFile) {
  folder_.publish("logistic.ubj");
  EXPECT_TRUE(file_reference(folder_.path()));
  EXPECT_TRUE(file_reference(folder_.path() + "@champion"));
  EXPECT_TRUE(file_reference("file://" + folder_.path() + "@champion"));
  EXPECT_EQ(file_reference("file:a@b/c")->folder, "a@b/c");
  EXPECT_FALSE(file_reference(folder_.blob("logistic.ubj")));
  EXPECT_FALSE(file_reference("missing.ubj"));
  EXPECT_EQ(name_of(*file_reference(folder_.path() + "/@champion")), "shaking");
}

}  // namespace
}  // namespace tiderace
