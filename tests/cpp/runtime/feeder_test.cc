// Sources on their way into their topic, under faults of the log.

#include "runtime/sources/feeder.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <vector>

#include "runtime/observed.h"
#include "runtime/sources/row_difference.h"
#include "runtime/test_service.h"

namespace tiderace {
namespace {

/// The rows `{"n":0}` to `{"n":size-1}`, a few at a time, each number greater by `more`.
class Numbers final : public SourceConnector {
 public:
  explicit Numbers(int size, int more = 0) : size_(size), more_(more) {}
  [[nodiscard]] std::string name() const override { return "numbers"; }
  [[nodiscard]] std::string text() const override { return "Numbers()"; }
  [[nodiscard]] TopicOptions topic() const override { return {}; }
  [[nodiscard]] std::unique_ptr<SourceReader> open(std::function<bool()>) const override {
    return std::make_unique<Reader>(size_, more_);
  }

 private:
  class Reader final : public SourceReader {
   public:
    Reader(int size, int more) : size_(size), more_(more) {}
    std::optional<SourceRows> next() override {
      if (next_ == size_) return std::nullopt;
      auto texts = std::make_shared<std::vector<std::string>>();
      for (int i = 0; i < 7 && next_ < size_; ++i)
        texts->push_back("{\"n\":" + std::to_string(next_++ + more_) + "}");
      SourceRows rows;
      for (const std::string& text : *texts) rows.values.push_back(text);
      rows.keys.resize(rows.size());
      rows.timestamps_ms.assign(rows.size(), 5);
      rows.owner = texts;
      return rows;
    }

   private:
    int size_;
    int more_;
    int next_ = 0;
  };
  int size_;
  int more_;
};

constexpr const char* plan_text = R"(sdf = app.dataframe(app.topic("numbers"))
sdf.to_topic(app.topic("out"))
)";

std::vector<std::string> numbers(int size) {
  std::vector<std::string> all;
  for (int n = 0; n < size; ++n) all.push_back("{\"n\":" + std::to_string(n) + "}");
  return all;
}

TEST(Feeder, BringsAllRowsBeforeARunUntilTheEndEnds) {
  TestService service(plan_text);
  service.context.feeds = {{"numbers", std::make_shared<Numbers>(100), std::nullopt}};
  EXPECT_EQ(service.run().rows_in, 100u);
  EXPECT_EQ(service.values("out"), numbers(100));
  EXPECT_EQ(service.run().rows_in, 0u);
}

TEST(Feeder, GoesOnBehindWhatIsThere) {
  TestService service(plan_text);
  service.context.feeds = {{"numbers", std::make_shared<Numbers>(10), std::nullopt}};
  service.run();
  service.context.feeds = {{"numbers", std::make_shared<Numbers>(25), std::nullopt}};
  EXPECT_EQ(service.run().rows_in, 15u);
  EXPECT_EQ(service.values("numbers"), numbers(25));
}

TEST(Feeder, BringsEachRowOnceWhereTheLogFailsAtAnyCall) {
  long n = 1;
  for (bool failed = true; failed; ++n) {
    SCOPED_TRACE("call " + std::to_string(n));
    TestService service(plan_text);
    const std::shared_ptr<Log> log = service.context.log;
    std::atomic<long> calls = 0;
    const Observer observe = [&](std::string_view) {
      if (++calls == n) throw Error(ErrorKind::broker, "as the test asked");
    };
    service.context.log = std::make_shared<ObservedLog>(log, observe);
    service.context.feeds = {{"numbers", std::make_shared<Numbers>(30), std::nullopt}};
    failed = false;
    try {
      service.run();
    } catch (const Error&) {
      failed = true;
      service.context.log = log;
      service.run();
    }
    service.context.log = log;
    ASSERT_EQ(service.values("numbers"), numbers(30));
    ASSERT_EQ(service.values("out"), numbers(30));
  }
  EXPECT_GT(n, 15);
}

/// A log that has no offset of the source's group, as Kafka after a week without it.
class Forgetful final : public ObservedLog {
 public:
  Forgetful(std::shared_ptr<Log> log, std::int64_t dropped)
      : ObservedLog(std::move(log), [](std::string_view) {}), dropped_(dropped) {}
  std::map<TopicPartition, std::int64_t> group_offsets(const std::string& group) override {
    auto offsets = ObservedLog::group_offsets(group);
    if (group == "numbers-source") offsets.clear();
    return offsets;
  }
  std::pair<std::int64_t, std::int64_t> decided_offsets(const TopicPartition& partition) override {
    auto offsets = ObservedLog::decided_offsets(partition);
    if (partition.topic == "numbers") offsets.first += dropped_;
    return offsets;
  }

 private:
  std::int64_t dropped_;
};

TEST(Feeder, CountsWhatIsThereWhereTheLogHasForgottenHowFarItIs) {
  TestService service(plan_text);
  service.create_topic("numbers", 3);
  const std::shared_ptr<Log> log = service.context.log;
  for (const int rows : {40, 40, 55}) {
    service.context.log = std::make_shared<Forgetful>(log, 0);
    service.context.feeds = {{"numbers", std::make_shared<Numbers>(rows), std::nullopt}};
    service.run();
    service.context.log = log;
    EXPECT_EQ(service.values("numbers").size(), static_cast<std::size_t>(rows));
  }
  service.context.log = std::make_shared<Forgetful>(log, 1);
  service.limits.until_end = false;
  EXPECT_NE(service.run_to_error(ErrorKind::config).find("is not known any more"), std::string::npos);
}

TEST(Feeder, DoesNotGoOnWithASourceThatIsShorter) {
  TestService service(plan_text);
  service.context.feeds = {{"numbers", std::make_shared<Numbers>(20), std::nullopt}};
  service.run();
  service.context.feeds = {{"numbers", std::make_shared<Numbers>(19), std::nullopt}};
  service.limits.until_end = false;
  EXPECT_EQ(service.run_to_error(ErrorKind::config),
            "Numbers(): it has 19 rows by now, and 20 of it are in numbers: it is shorter than it was, or "
            "another one; give it another name= to have its rows brought in anew");
  EXPECT_EQ(service.values("numbers"), numbers(20));
}

TEST(Feeder, DoesNotGoOnWithOtherRows) {
  TestService service(plan_text);
  service.context.feeds = {{"numbers", std::make_shared<Numbers>(20), std::nullopt}};
  service.run();
  service.context.feeds = {{"numbers", std::make_shared<Numbers>(25, 1), std::nullopt}};
  service.limits.until_end = false;
  EXPECT_NE(service.run_to_error(ErrorKind::config).find("of its first 20 rows some are others"),
            std::string::npos);
  EXPECT_EQ(service.values("numbers"), numbers(20));
}

/// A topic whose partitions were fewer once: rows are written and looked for as if there were `partitions`.
class FewerPartitions final : public ObservedLog {
 public:
  FewerPartitions(std::shared_ptr<Log> log, std::int32_t partitions)
      : ObservedLog(std::move(log), [](std::string_view) {}), partitions_(partitions) {}
  std::optional<TopicInfo> topic(const std::string& name) override {
    auto found = ObservedLog::topic(name);
    if (found && name == "numbers") found->config.num_partitions = partitions_;
    return found;
  }

 private:
  std::int32_t partitions_;
};

TEST(Feeder, GoesOnWhereThereAreMorePartitionsByNow) {
  TestService service(plan_text);
  service.create_topic("numbers", 5);
  const std::shared_ptr<Log> log = service.context.log;
  const auto run = [&](std::int32_t partitions, int rows) {
    service.context.log = std::make_shared<FewerPartitions>(log, partitions);
    service.context.feeds = {{"numbers", std::make_shared<Numbers>(rows), std::nullopt}};
    service.run();
    service.context.log = log;
    EXPECT_EQ(service.values("numbers").size(), static_cast<std::size_t>(rows));
  };
  run(2, 10);
  run(5, 10);
  run(5, 12);
  run(5, 40);
}

TEST(RowDifference, IsNoneWhereNumbersAreSpelledOtherwise) {
  using enum RowDifference::Kind;
  EXPECT_EQ(difference_of(R"({"a":1,"b":[1.50]})", R"({"a":1.0,"b":[1.5]})").kind, none);
  EXPECT_EQ(difference_of(R"({"a":"1\"","b":1})", R"({"a":"1\"","b":1e0})").kind, none);
  EXPECT_EQ(difference_of(R"({"a":1})", R"({"a":2})").kind, other_values);
  EXPECT_EQ(difference_of(R"({"a":"1"})", R"({"a":"1.0"})").kind, other_values);
  EXPECT_EQ(difference_of(R"({"a":1})", R"({"a":"2"})").kind, other_values);
  EXPECT_EQ(difference_of(R"({"a":null})", R"({"a":"x"})").kind, other_values);
  EXPECT_EQ(difference_of(R"({"a":1})", R"({"a":1,"b":2})").kind, other_values);
  EXPECT_EQ(difference_of("{\"a", "{\"a\\").kind, other_values);
}

TEST(RowDifference, TellsWhichValueIsOfAnotherKind) {
  EXPECT_EQ(difference_of(R"({"a":1,"b":1})", R"({"a":1,"b":"1"})").first, R"("b": 1 and "1")");
  EXPECT_EQ(difference_of(R"({"a":true})", R"({"a":"True"})").first, R"("a": true and "True")");
  EXPECT_EQ(difference_of(R"({"a":9007199254740993})", R"({"a":9007199254740992.0})").first,
            R"("a": 9007199254740993 and 9007199254740992.0)");
  EXPECT_EQ(difference_of(R"({"a":1234})", R"({"a":"01234"})").first, R"("a": 1234 and "01234")");
  EXPECT_EQ(difference_of(R"({"a":"+0.50"})", R"({"a":0.5})").first, R"("a": "+0.50" and 0.5)");
}

TEST(RowDifference, OfTextsOfOneHashOnlyIsNotOfOtherValues) {
  using enum RowDifference::Kind;
  const std::vector<std::string> values{"1",
                                        "1.0",
                                        "1e0",
                                        R"("1")",
                                        R"("01")",
                                        R"("+1")",
                                        R"("1.00")",
                                        "0",
                                        "-0.0",
                                        R"("-0")",
                                        "0.5",
                                        "0.50",
                                        "true",
                                        "null",
                                        "false",
                                        R"("TRUE")",
                                        R"("False")",
                                        R"("x")",
                                        "[1]",
                                        "[1.0]",
                                        R"([""])",
                                        R"("")",
                                        R"("\"")",
                                        "9007199254740993",
                                        "9007199254740992.0",
                                        R"("9007199254740993")",
                                        "{}"};
  for (const std::string& a : values) {
    for (const std::string& b : values) {
      const std::string was = fmt::format(R"({{"a":{},"b":2}})", a);
      const std::string is = fmt::format(R"({{"a":{},"b":2.0}})", b);
      if (difference_of(was, is).kind == other_values) continue;
      EXPECT_EQ(difference_hash(was), difference_hash(is)) << was << ' ' << is;
    }
  }
  EXPECT_NE(difference_hash(R"({"a":1,"b":2})"), difference_hash(R"({"a":2,"b":1})"));
}

TEST(Feeder, ThatFailsEndsTheRun) {
  class Broken final : public SourceConnector {
    [[nodiscard]] std::string name() const override { return "numbers"; }
    [[nodiscard]] std::string text() const override { return "Broken()"; }
    [[nodiscard]] TopicOptions topic() const override { return {}; }
    [[nodiscard]] std::unique_ptr<SourceReader> open(std::function<bool()>) const override {
      throw Error(ErrorKind::config, "no such file");
    }
  };
  TestService service(plan_text);
  service.limits.until_end = false;
  service.context.feeds = {{"numbers", std::make_shared<Broken>(), std::nullopt}};
  EXPECT_EQ(service.run_to_error(ErrorKind::config), "no such file");
}

}  // namespace
}  // namespace tiderace
