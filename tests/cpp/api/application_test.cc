#include <gtest/gtest.h>
#include <tiderace/application.h>
#include <unistd.h>

#include <filesystem>

#include "temporary_directory.h"

namespace tiderace {
namespace {

/// Goes to a directory, and back at its end.
class WorkingDirectory {
 public:
  explicit WorkingDirectory(const std::string& path) : former_(std::filesystem::current_path()) {
    std::filesystem::current_path(path);
  }
  WorkingDirectory(const WorkingDirectory&) = delete;
  WorkingDirectory& operator=(const WorkingDirectory&) = delete;
  ~WorkingDirectory() { std::filesystem::current_path(former_); }

 private:
  std::filesystem::path former_;
};

TEST(Application, KeepsItsFilesWhenTheWorkingDirectoryChanges) {
  const TemporaryDirectory home;
  const TemporaryDirectory elsewhere;
  const WorkingDirectory back(home.path());
  Application app({.broker_address = "embedded:data", .consumer_group = "wanderer"});
  auto sdf = app.dataframe(app.topic("in"));
  sdf["before"] = sdf["x"].shift();
  sdf.to_topic(app.topic("out"));
  std::filesystem::current_path(elsewhere.path());
  {
    auto producer = app.get_producer();
    producer.produce({.topic = "in", .key = "a", .value = R"({"x":1})"});
  }
  EXPECT_EQ(app.run({.until_end = true}).rows_out, 1u);
  EXPECT_TRUE(std::filesystem::exists(home.path() + "/data/log.db"));
  EXPECT_TRUE(std::filesystem::exists(home.path() + "/data/state"));
  EXPECT_TRUE(std::filesystem::is_empty(elsewhere.path()));
}

TEST(Application, RefusesAnAddressWithoutADirectory) {
  EXPECT_THROW(Application({.broker_address = "embedded:", .consumer_group = "g"}), Error);
}

}  // namespace
}  // namespace tiderace
