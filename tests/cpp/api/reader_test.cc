#include <gtest/gtest.h>
#include <tiderace/tiderace.h>

#include <thread>

#include "log/embedded/embedded_log.h"
#include "temporary_directory.h"

namespace tiderace {
namespace {

using namespace std::chrono_literals;
using Names = std::vector<std::string>;

class Reader : public testing::Test {
 protected:
  TemporaryDirectory directory_;
  Application app_{{.broker_address = "embedded:" + directory_.path(), .consumer_group = "test"}};

  void write(const std::string& topic, const Names& values) {
    auto producer = app_.get_producer();
    for (const std::string& value : values)
      producer.produce({.topic = topic, .key = "k", .value = value, .timestamp = 7, .headers = {{"h", "v"}}});
    producer.flush();
  }
  static Names rest_of(TopicReader& reader) {
    Names values;
    while (!reader.at_end()) {
      for (const TopicRecord& record : reader.poll(1s)) values.emplace_back(record.value.value_or("none"));
    }
    return values;
  }
};

TEST_F(Reader, ReadsWhatIsThereAndEnds) {
  write("t", {"a", "b", "c"});
  auto reader = app_.get_reader({"t"}, {.until_end = true});
  write("t", {"later"});
  EXPECT_EQ(rest_of(reader), (Names{"a", "b", "c"}));
  EXPECT_TRUE(reader.poll(0s).empty());
  EXPECT_EQ(reader.positions(), (decltype(reader.positions()){{{"t", 0}, 3}}));
}

TEST_F(Reader, GivesRecordsAsTheyStandThere) {
  auto producer = app_.get_producer();
  producer.produce({.topic = "t", .timestamp = 5});
  producer.produce({.topic = "t", .key = "", .value = "", .timestamp = 6, .headers = {{"h", std::nullopt}}});
  producer.flush();
  auto reader = app_.get_reader({"t"});
  const std::vector<TopicRecord> records = reader.poll(60s);
  ASSERT_EQ(records.size(), 2u);
  EXPECT_EQ(records[0].topic, "t");
  EXPECT_EQ(records[0].partition, 0);
  EXPECT_EQ(records[0].offset, 0);
  EXPECT_EQ(records[0].timestamp, 5);
  EXPECT_EQ(records[0].key, std::nullopt);
  EXPECT_EQ(records[0].value, std::nullopt);
  EXPECT_TRUE(records[0].headers().empty());
  EXPECT_EQ(records[1].key, "");
  EXPECT_EQ(records[1].value, "");
  EXPECT_EQ(records[1].headers(), (decltype(records[1].headers()){{"h", std::nullopt}}));
  EXPECT_FALSE(reader.at_end());
}

TEST_F(Reader, BeginsWhereItIsTold) {
  write("t", {"a", "b", "c"});
  write("u", {"x"});
  auto late = app_.get_reader({"t", "u"}, {.from = AutoOffsetReset::latest, .offsets = {{{"t", 0}, 1}}});
  EXPECT_EQ(late.poll(60s).at(0).value, "b");
  EXPECT_TRUE(late.poll(1ms).empty());
  write("u", {"y"});
  EXPECT_EQ(late.poll(60s).at(0).value, "y");
  EXPECT_EQ(late.positions(), (decltype(late.positions()){{{"t", 0}, 3}, {{"u", 0}, 2}}));

  auto again = app_.get_reader({"t", "u"}, {.offsets = {{{"t", 0}, 2}}, .until_end = true});
  EXPECT_EQ(rest_of(again).size(), 3u);
}

TEST_F(Reader, AnEmptyTopicHasAnEnd) {
  embedded_log(directory_.path())->create_topic("empty", {.num_partitions = 3});
  auto reader = app_.get_reader({"empty"}, {.until_end = true});
  EXPECT_TRUE(reader.at_end());
  EXPECT_TRUE(reader.poll(60s).empty());
}

TEST_F(Reader, WakesForWhatComes) {
  write("t", {"a"});
  auto reader = app_.get_reader({"t"}, {.from = AutoOffsetReset::latest});
  std::thread writer([&] { write("t", {"b"}); });
  EXPECT_EQ(reader.poll(60s).at(0).value, "b");
  writer.join();
  EXPECT_TRUE(reader.poll(std::chrono::nanoseconds(-1)).empty());
}

TEST_F(Reader, SaysWhatIsWrong) {
  write("t", {"a"});
  const auto message = [&](const std::vector<std::string>& topics, const ReaderOptions& options = {}) {
    try {
      static_cast<void>(app_.get_reader(topics, options));
      return std::string("no error");
    } catch (const Error& error) {
      return std::string(to_string(error.kind())) + ": " + error.what();
    }
  };
  EXPECT_EQ(message({}), "config: get_reader: wanted the names of topics, found none");
  EXPECT_NE(message({"t", "nowhere"}).find("config: there is no topic nowhere to read"), std::string::npos);
  EXPECT_NE(message({"t"}, {.offsets = {{{"t", 1}, 0}}}).find("t partition 1 is none of what is read"),
            std::string::npos);
  EXPECT_NE(message({"t"}, {.offsets = {{{"t", 0}, -1}}}).find("wanted 0 or more"), std::string::npos);
}

}  // namespace
}  // namespace tiderace
