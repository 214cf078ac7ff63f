// What happens to rows that cannot be processed, under every policy.

#include <gtest/gtest.h>

#include "log/held_clock.h"
#include "runtime/observed.h"
#include "runtime/test_service.h"

namespace tiderace {
namespace {

using Texts = std::vector<std::string>;

constexpr const char* two_steps = R"(sdf = app.dataframe(app.topic("in"))
sdf["s"] = sdf["x"].rolling("10s").sum()
sdf["z"] = sdf["y"].abs()
sdf.to_topic(app.topic("out"))
)";

std::string row(int x, int y) {
  return "{\"x\":" + std::to_string(x) + ",\"y\":" + std::to_string(y) + "}";
}

std::string result(int x, int y, int sum) {
  std::string text = row(x, y);
  text.pop_back();
  return text + ",\"s\":" + std::to_string(sum) + ",\"z\":" + std::to_string(std::abs(y)) + "}";
}

std::string header(const SeenRecord& record, const std::string& name) {
  for (const auto& [found, value] : record.headers) {
    if (found == "__tiderace.errors." + name) return value.value_or("(null)");
  }
  return "(none)";
}

TEST(Stop, CommitsEverythingBeforeTheRowAndNamesIt) {
  TestService service(two_steps);
  service.produce_all({row(1, 1), row(2, -2), R"({"x":4,"y":"high"})", row(8, 8)});
  const BadRow bad = service.run_to_bad_row();
  EXPECT_EQ(bad.kind, BadRowKind::type);
  EXPECT_NE(bad.step.find("abs"), std::string::npos) << bad.step;
  EXPECT_EQ(bad.topic, "in");
  EXPECT_EQ(bad.partition, 0);
  EXPECT_EQ(bad.offset, 2);
  EXPECT_EQ(bad.key, "k");
  EXPECT_EQ(bad.value, R"({"x":4,"y":"high"})");
  EXPECT_NE(bad.to_string().find("in partition 0 offset 2, step"), std::string::npos) << bad.to_string();
  EXPECT_NE(bad.message.find("\"high\""), std::string::npos) << bad.message;
  EXPECT_EQ(service.values("out"), (Texts{result(1, 1, 1), result(2, -2, 3)}));
  EXPECT_EQ(service.committed("in"), 2);
  EXPECT_EQ(service.summary.rows_out, 2u);
  EXPECT_EQ(service.summary.bad, 1u);
}

TEST(Stop, MeetsTheRowAgainAtTheNextStart) {
  TestService service(two_steps);
  service.produce_all({row(1, 1), R"({"x":4,"y":"high"})", row(8, 8)});
  EXPECT_EQ(service.run_to_bad_row().offset, 1);
  EXPECT_EQ(service.run_to_bad_row().offset, 1);
  EXPECT_EQ(service.values("out"), (Texts{result(1, 1, 1)}));
  service.context.options.on_error = ErrorPolicy::skip;
  service.run();
  // The row had no part in the state that was committed before it; now that it is skipped it stays in the
  // window that it entered before the step that finds it bad.
  EXPECT_EQ(service.values("out"), (Texts{result(1, 1, 1), result(8, 8, 13)}));
}

TEST(Stop, AnEarlierRowOfTheBatchThatIsBadAtALaterStepWins) {
  TestService service(two_steps);
  service.produce_all({row(1, 1), R"({"x":2,"y":"late step"})", row(4, 4), R"({"x":"early step","y":8})"});
  const BadRow bad = service.run_to_bad_row();
  EXPECT_EQ(bad.offset, 1);
  EXPECT_NE(bad.message.find("late step"), std::string::npos) << bad.message;
  EXPECT_EQ(service.values("out"), (Texts{result(1, 1, 1)}));
}

TEST(Stop, TheFirstRowOfATopicMayBeTheBadOne) {
  TestService service(two_steps);
  service.produce_all({"no JSON", row(1, 1)});
  EXPECT_EQ(service.run_to_bad_row().offset, 0);
  EXPECT_EQ(service.run_to_bad_row().offset, 0);
  EXPECT_TRUE(service.values("out").empty());
}

TEST(Stop, OtherPartitionsStopAtACheckpoint) {
  for (const int workers : {1, 2}) {
    for (const auto guarantee : {ProcessingGuarantee::at_least_once, ProcessingGuarantee::exactly_once}) {
      TestService service(two_steps);
      service.context.options.workers = workers;
      service.context.options.processing_guarantee = guarantee;
      service.create_topic("in", 2);
      for (int i = 0; i < 5; ++i) service.produce("in", "a", row(i, i), 1000, {}, 0);
      for (int i = 0; i < 5; ++i) service.produce("in", "b", row(i, i), 1000, {}, 1);
      service.produce("in", "b", "[]", 1000, {}, 1);
      EXPECT_EQ(service.run_to_bad_row().partition, 1);
      service.context.options.on_error = ErrorPolicy::skip;
      service.run();
      const auto out = service.by_key("out");
      const Texts expected{result(0, 0, 0), result(1, 1, 1), result(2, 2, 3), result(3, 3, 6),
                           result(4, 4, 10)};
      EXPECT_EQ(out.at("b"), expected);
      if (guarantee == ProcessingGuarantee::exactly_once) {
        EXPECT_EQ(out.at("a"), expected);
      }
      for (const std::string& value : out.at("a"))
        EXPECT_NE(std::find(expected.begin(), expected.end(), value), expected.end()) << value;
    }
  }
}

TEST(Stop, UnderLatestRowsBetweenTheStartAndTheBadRowWereSkipped) {
  TestService service(two_steps);
  service.context.options.auto_offset_reset = AutoOffsetReset::latest;
  service.produce_all({row(100, 100)});
  // Rows that come when the partition is being read already, before anything was committed.
  const std::shared_ptr<Log> log = service.context.log;
  TestService writer("");
  writer.context.log = log;
  bool started = false;
  service.context.log = std::make_shared<ObservedLog>(log, [&](std::string_view call) {
    if (call == "Consumer::start") started = true;
    if (call != "Consumer::poll" || !started) return;
    started = false;
    if (log->offsets({"in", 0}).second > 1) return;  // written already
    writer.produce_all({row(1, 1), row(2, 2), "{}x", row(4, 4)});
  });
  service.limits.until_end = false;
  EXPECT_EQ(service.run_to_bad_row().offset, 3);
  EXPECT_EQ(service.values("out"), (Texts{result(1, 1, 1), result(2, 2, 3)}));
  EXPECT_EQ(service.committed("in"), 3);
}

TEST(Skip, CountsAndGoesOn) {
  TestService service(two_steps);
  service.context.options.on_error = ErrorPolicy::skip;
  service.produce_all({row(1, 1), "", "[1]", "{\"x\":1", row(2, 2)});
  const Summary summary = service.run();
  EXPECT_EQ(summary.rows_in, 5u);
  EXPECT_EQ(summary.rows_out, 2u);
  EXPECT_EQ(summary.bad, 3u);
  EXPECT_EQ(service.values("out"), (Texts{result(1, 1, 1), result(2, 2, 3)}));
  EXPECT_TRUE(service.read("group-dead-letters").empty());
}

TEST(DeadLetter, CarriesTheRecordAndSaysWhatWasWrongWithIt) {
  TestService service(two_steps);
  service.context.options.on_error = ErrorPolicy::dead_letter;
  const std::string bytes = "{ \"x\": 1.50, \"y\": \"\\u0061bc\" }";
  service.produce("in", "rider", bytes, 1234, {{"a", "1"}, {"a", std::nullopt}});
  service.produce("in", std::nullopt, row(1, 1), 1235);
  service.run();
  const auto letters = service.read("group-dead-letters");
  ASSERT_EQ(letters.size(), 2u);
  EXPECT_EQ(letters[0].key, "rider");
  EXPECT_EQ(letters[0].value, bytes);
  EXPECT_EQ(letters[0].timestamp_ms, 1234);
  ASSERT_EQ(letters[0].headers.size(), 8u);
  EXPECT_EQ(letters[0].headers[0], (Header{"a", "1"}));
  EXPECT_EQ(letters[0].headers[1], (Header{"a", std::nullopt}));
  EXPECT_EQ(header(letters[0], "kind"), "type");
  EXPECT_NE(header(letters[0], "message").find("\"abc\""), std::string::npos)
      << header(letters[0], "message");
  EXPECT_NE(header(letters[0], "step").find("abs"), std::string::npos) << header(letters[0], "step");
  EXPECT_EQ(header(letters[0], "topic"), "in");
  EXPECT_EQ(header(letters[0], "partition"), "0");
  EXPECT_EQ(header(letters[0], "offset"), "0");
  // A row without a key is bad at the step that wants one.
  EXPECT_EQ(letters[1].key, std::nullopt);
  EXPECT_EQ(header(letters[1], "kind"), "key");
  EXPECT_NE(header(letters[1], "step").find("rolling"), std::string::npos) << header(letters[1], "step");
}

TEST(DeadLetter, BecomesVisibleWithTheOffsetsOrNotAtAll) {
  TestService service(two_steps);
  service.context.options.on_error = ErrorPolicy::dead_letter;
  service.context.options.dead_letter_topic = "graveyard";
  service.produce_all({row(1, 1), "x", row(2, 2)});
  const std::shared_ptr<Log> log = service.context.log;
  service.context.log = std::make_shared<ObservedLog>(log, [](std::string_view call) {
    if (call == "Producer::commit") throw Error(ErrorKind::broker, "no commit");
  });
  EXPECT_EQ(service.run_to_error(ErrorKind::broker), "no commit");
  EXPECT_TRUE(service.read("graveyard").empty());
  service.context.log = log;
  service.run();
  EXPECT_EQ(service.values("graveyard"), Texts{"x"});
  EXPECT_EQ(service.committed("in"), 3);
}

TEST(DeadLetter, TakesTheLargestRecordThatATopicTakes) {
  TestService service(two_steps);
  service.context.options.on_error = ErrorPolicy::dead_letter;
  service.create_topic("in", 1);
  const auto limit = static_cast<std::size_t>(service.context.log->topic("in")->config.max_message_bytes);
  service.produce("in", std::nullopt, std::string(limit, ' '));
  service.produce("in", "k", row(1, 1));
  service.run();
  const auto letters = service.read("group-dead-letters");
  ASSERT_EQ(letters.size(), 1u);
  EXPECT_EQ(letters[0].value->size(), limit);
  EXPECT_EQ(header(letters[0], "kind"), "too_large");
  EXPECT_EQ(service.values("out").size(), 1u);
}

TEST(DeadLetter, TakesRowsWhoseTimestampTheOutputWouldRefuse) {
  TestService service(two_steps);
  service.context.options.on_error = ErrorPolicy::dead_letter;
  HeldClock clock;
  clock.move_to(10'000'000);
  service.context.clock = &clock;
  TopicConfig config;
  config.max_timestamp_ahead_ms = 3'600'000;
  config.max_timestamp_behind_ms = 7'200'000;
  service.context.log->create_topic("out", config);
  for (const std::int64_t time : {10'000'000, 13'530'000, 13'550'000, 2'870'000, 2'850'000})
    service.produce("in", "k", row(1, 1), time);
  service.run();
  EXPECT_EQ(service.values("out").size(), 3u);
  const auto letters = service.read("group-dead-letters");
  ASSERT_EQ(letters.size(), 2u);
  EXPECT_EQ(header(letters[0], "kind"), "timestamp");
  EXPECT_EQ(letters[0].timestamp_ms, 13'550'000);
  EXPECT_EQ(letters[1].timestamp_ms, 2'850'000);
}

TEST(PolicyFunction, ChoosesForEachRow) {
  TestService service(two_steps);
  std::vector<std::int64_t> asked;
  service.context.options.on_error = [&](const BadRow& bad) {
    asked.push_back(bad.offset);
    if (bad.kind == BadRowKind::parse) return ErrorPolicy::skip;
    return bad.offset == 2 ? ErrorPolicy::dead_letter : ErrorPolicy::stop;
  };
  service.produce_all({row(1, 1), "x", R"({"x":"a","y":1})", row(2, 2), R"({"x":"b","y":1})"});
  EXPECT_EQ(service.run_to_bad_row().offset, 4);
  EXPECT_EQ(service.values("group-dead-letters"), Texts{R"({"x":"a","y":1})"});
  EXPECT_EQ(service.values("out"), (Texts{result(1, 1, 1), result(2, 2, 3)}));
  EXPECT_EQ(service.summary.bad, 3u);
  EXPECT_EQ(asked.front(), 1);
}

TEST(PolicyFunction, ThatThrowsEndsTheRunWithWhatItThrew) {
  TestService service(two_steps);
  service.context.options.on_error = [](const BadRow&) -> ErrorPolicy { throw std::out_of_range("mine"); };
  service.produce_all({row(1, 1), "x"});
  EXPECT_THROW(service.run(), std::out_of_range);
  EXPECT_EQ(service.committed("in"), -1);
}

TEST(PolicyOfATopic, GoesBeforeThatOfTheApplication) {
  TestService service(R"(sdf = app.dataframe(app.topic("in", on_error="skip"))
sdf.to_topic(app.topic("out"))
)");
  service.produce_all({"x", "{}"});
  EXPECT_EQ(service.run().bad, 1u);
  EXPECT_EQ(service.values("out"), Texts{"{}"});
}

TEST(BadRow, OfTwoBranchesCountsOnce) {
  TestService service(R"(sdf = app.dataframe(app.topic("in"))
first = sdf[sdf["x"].abs() > 0]
first.to_topic(app.topic("first"))
second = sdf[sdf["x"].abs() > 1]
second.to_topic(app.topic("second"))
)");
  service.context.options.on_error = ErrorPolicy::dead_letter;
  service.produce_all({R"({"x":"a"})", R"({"x":1})", R"({"x":2})"});
  const Summary summary = service.run();
  EXPECT_EQ(summary.bad, 1u);
  EXPECT_EQ(summary.filtered, 1u);
  EXPECT_EQ(summary.rows_out, 3u);
  EXPECT_EQ(service.read("group-dead-letters").size(), 1u);
}

}  // namespace
}  // namespace tiderace
