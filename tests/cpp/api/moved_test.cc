#include <gtest/gtest.h>
#include <tiderace/tiderace.h>

#include <functional>
#include <string>
#include <utility>

#include "temporary_directory.h"

// What was moved from is used on purpose.

namespace tiderace {
namespace {

/// What the Error{plan} says that `use` throws; empty if it throws none.
std::string refusal(const std::function<void()>& use) {
  try {
    use();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::plan);
    return error.what();
  }
  return "";
}

void expect_moved(const std::string& type, const std::function<void()>& use) {
  EXPECT_EQ(
      refusal(use),
      "this " + type + " was moved from, so there is nothing behind it; use the one that it was moved to");
}

struct Moved : testing::Test {
  const TemporaryDirectory home;
  Application app{{.broker_address = "embedded:" + home.path() + "/data", .consumer_group = "g"}};
};

TEST_F(Moved, FramesAndSeriesSayIt) {
  auto sdf = app.dataframe(app.topic("in"));
  Series series = sdf["x"] + 1;
  RollingSeries rolling = series.rolling("10s");
  RollingFrame frames = sdf[{"x", "y"}].rolling("10s");
  StreamingDataFrame taken = std::move(sdf);
  const Series taken_series = std::move(series);
  const RollingSeries taken_rolling = std::move(rolling);
  const RollingFrame taken_frames = std::move(frames);
  const std::string frame = "tr::StreamingDataFrame";
  expect_moved(frame, [&] { static_cast<void>(sdf["x"]); });
  expect_moved(frame, [&] { static_cast<void>(std::as_const(sdf)["x"]); });
  expect_moved(frame, [&] { static_cast<void>(sdf[{"x", "y"}]); });
  expect_moved(frame, [&] { static_cast<void>(sdf[taken_series > 1]); });
  expect_moved(frame, [&] { sdf.print(); });
  expect_moved(frame, [&] { sdf.to_topic(app.topic("out")); });
  expect_moved(frame, [&] { static_cast<void>(sdf.backtest(Table())); });
  expect_moved("tr::Series", [&] { static_cast<void>(series + 1); });
  expect_moved("tr::Series", [&] { taken["y"] = series; });
  expect_moved("tr::RollingSeries", [&] { static_cast<void>(rolling.mean()); });
  expect_moved("tr::RollingFrame", [&] { static_cast<void>(frames.mean()); });
  // Assigned to anew it is a variable like any other.
  sdf = taken;
  sdf["y"] = taken_rolling.mean();
  EXPECT_EQ(sdf["y"].to_string(), "sdf[\"y\"]");
}

TEST_F(Moved, SourcesAndSinksSayIt) {
  NdjsonSource source("rows.ndjson", {.name = "rows"});
  const NdjsonSource taken = std::move(source);
  expect_moved("tr::History", [&] { static_cast<void>(app.dataframe(source)); });
}

TEST_F(Moved, ProducersAndReadersSayIt) {
  TopicProducer producer = app.get_producer();
  TopicProducer taken_producer = std::move(producer);
  TransactionalProducer transactions = app.get_transactional_producer("importer");
  TransactionalProducer taken_transactions = std::move(transactions);
  taken_producer.produce({.topic = "in", .value = "{}"});
  taken_producer.flush();
  TopicReader reader = app.get_reader({"in"}, {.until_end = true});
  TopicReader taken_reader = std::move(reader);
  expect_moved("tr::TopicProducer", [&] { producer.produce({.topic = "in"}); });
  expect_moved("tr::TopicProducer", [&] { producer.flush(); });
  const std::string transactional = "tr::TransactionalProducer";
  expect_moved(transactional, [&] { transactions.init_transactions(); });
  expect_moved(transactional, [&] { transactions.produce({.topic = "in"}); });
  expect_moved(transactional, [&] { static_cast<void>(transactions.commit()); });
  transactions.abort();
  expect_moved("tr::TopicReader", [&] { static_cast<void>(reader.poll(std::chrono::seconds(1))); });
  expect_moved("tr::TopicReader", [&] { static_cast<void>(reader.positions()); });
  expect_moved("tr::TopicReader", [&] { static_cast<void>(reader.at_end()); });
  EXPECT_EQ(taken_reader.poll(std::chrono::seconds(1)).size(), 1u);
}

TEST_F(Moved, AnApplicationSaysIt) {
  const TopicPtr topic = app.topic("in");
  Application taken = std::move(app);
  const std::string type = "tr::Application";
  expect_moved(type, [&] { static_cast<void>(app.topic("in")); });
  expect_moved(type, [&] { static_cast<void>(app.dataframe(topic)); });
  expect_moved(type, [&] { static_cast<void>(app.run({.until_end = true})); });
  expect_moved(type, [&] { static_cast<void>(app.summary()); });
  expect_moved(type, [&] { static_cast<void>(app.explain()); });
  expect_moved(type, [&] { app.create_topics(); });
  expect_moved(type, [&] { static_cast<void>(app.get_producer()); });
  expect_moved(type, [&] { static_cast<void>(app.get_transactional_producer("importer")); });
  expect_moved(type, [&] { static_cast<void>(app.get_reader({"in"})); });
  app.stop();
  EXPECT_EQ(taken.topic("in"), topic);
}

TEST_F(Moved, ATopicThatIsNoneIsRefused) {
  auto sdf = app.dataframe(app.topic("in"));
  EXPECT_EQ(refusal([&] { static_cast<void>(app.dataframe(nullptr)); }),
            "app.dataframe: wanted a topic, found none; make one with app.topic(name)");
  EXPECT_EQ(refusal([&] { sdf.to_topic(nullptr); }),
            "sdf.to_topic: wanted a topic, found none; make one with app.topic(name)");
  EXPECT_NE(refusal([&] {
              static_cast<void>(sdf["x"].rolling("10s", {.on_late = TopicPtr()}).mean());
            }).find("on_late= wanted a topic, found none"),
            std::string::npos);
}

TEST_F(Moved, AProducerThatIsAssignedOverHasWrittenWhatItHad) {
  auto producer = app.get_producer();
  producer.produce({.topic = "in", .value = "1"});
  producer = app.get_producer();
  TopicReader reader = app.get_reader({"in"});
  EXPECT_EQ(reader.poll(std::chrono::seconds(10)).size(), 1u);
}

}  // namespace
}  // namespace tiderace
