// Sinks under every fault that a sink, a log and a store can have: each row is in the sink once.

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <thread>

#include "golden/test_log.h"
#include "runtime/fake_sink.h"
#include "runtime/observation/health.h"
#include "runtime/observation/prometheus.h"
#include "runtime/observed.h"
#include "runtime/test_service.h"

namespace tiderace {
namespace {

using Fault = FakeTable::Fault;

constexpr const char* plan_text = R"(sdf = app.dataframe(app.topic("in"))
sdf = sdf[sdf["x"].notnull()]
sdf["sum"] = sdf["x"].rolling(3, min_periods=1).sum()
sdf.to_topic(app.topic("out"))
)";

/// A plan whose rows go to a topic and to a sink.
class SinkService {
 public:
  explicit SinkService(ProcessingGuarantee guarantee = ProcessingGuarantee::at_least_once, int workers = 1)
      : service(plan_text) {
    RuntimeContext& context = service.context;
    context.options.processing_guarantee = guarantee;
    context.options.workers = workers;
    context.options.commit_interval = std::chrono::nanoseconds(1);
    context.options.on_error = ErrorPolicy::skip;
    service.extend = [this](const plan::Frame& frame) { frame.sink(std::make_shared<FakeSink>(table)); };
    service.create_topic("in", 2);
    log = context.log;
    cut();
  }

  /// Short runs of rows, so that there are many commits.
  void cut() { service.context.log = std::make_shared<TestLog>(log, 4); }

  void produce(int first, int end) const {
    for (int i = first; i < end; ++i) {
      const std::string text =
          i % 5 == 3 ? "{\"n\":" + std::to_string(i) + "}"
                     : "{\"n\":" + std::to_string(i) + ",\"x\":" + std::to_string(i * i % 17) + "}";
      service.produce("in", "key" + std::to_string(i % 3), text);
    }
  }

  /// What is in the sink, in the order of `n`.
  [[nodiscard]] std::vector<std::string> rows() const {
    std::vector<std::string> sorted = table->rows;
    const auto number = [](const std::string& row) { return std::stoi(row.substr(row.find('=') + 1)); };
    std::stable_sort(sorted.begin(), sorted.end(),
                     [&](const auto& a, const auto& b) { return number(a) < number(b); });
    return sorted;
  }

  std::shared_ptr<FakeTable> table = std::make_shared<FakeTable>();
  TestService service;
  std::shared_ptr<Log> log;
};

std::vector<std::string> expected_rows(int rows) {
  SinkService straight;
  straight.produce(0, rows);
  straight.service.run();
  return straight.rows();
}

TEST(Sink, HasEachRowOnceWithWhatPassesThroughAndWhatWasComputed) {
  SinkService sink;
  sink.service.produce("in", "a", R"({"n":1,"x":2,"gps":{"lat":1.50},"s":"a\nb","f":1e300,"no":null})");
  sink.service.produce("in", "a", R"({"x":3,"n":2,"new":true})");
  const Summary summary = sink.service.run();
  const std::vector<std::string> wanted{R"(n=1 x=2 gps={"lat":1.50} s="a\nb" f=1e+300 sum=2)",
                                        R"(n=2 x=3 new=true sum=5)"};
  EXPECT_EQ(sink.rows(), wanted);
  EXPECT_EQ(summary.rows_out, 4u);  // to the topic, and to the sink
}

TEST(Sink, OfAProjectionHasItsColumnsAlone) {
  SinkService sink;
  sink.service.plan = R"(sdf = app.dataframe(app.topic("in"))
sdf["y"] = sdf["x"] / 0
sdf = sdf[["y", "n"]]
)";
  sink.service.produce("in", "a", R"({"n":1,"x":2,"other":5})");
  sink.service.run();
  EXPECT_EQ(sink.rows(), std::vector<std::string>{"y=Infinity n=1"});
}

TEST(Sink, CommitsWithoutRowsToo) {
  SinkService sink;
  sink.service.produce("in", "a", R"({"n":1})");
  sink.service.run();
  EXPECT_TRUE(sink.rows().empty());
  ASSERT_EQ(sink.table->offsets.size(), 1u);
  EXPECT_EQ(sink.table->offsets.begin()->second, 1);
}

TEST(Sink, ThatFailsAtAnyCallHasEachRowOnce) {
  const std::vector<std::string> wanted = expected_rows(40);
  ASSERT_EQ(wanted.size(), 32u);
  for (const auto guarantee : {ProcessingGuarantee::at_least_once, ProcessingGuarantee::exactly_once}) {
    for (const Fault fault : {Fault::before, Fault::after}) {
      int n = 1;
      for (bool failed = true; failed; ++n) {
        SCOPED_TRACE("call " + std::to_string(n));
        SinkService sink(guarantee, 1 + n % 2);
        sink.produce(0, 40);
        std::atomic<int> calls = 0;
        sink.table->fault = [&](std::string_view) { return ++calls == n ? fault : Fault::none; };
        sink.service.run();
        failed = calls >= n;
        ASSERT_EQ(sink.rows(), wanted);
      }
      EXPECT_GT(n, 4);
    }
  }
}

TEST(Sink, ThatRefusesEndsTheRunAndGoesOnLater) {
  const std::vector<std::string> wanted = expected_rows(20);
  for (const std::string call : {"open", "commit"}) {
    SinkService sink;
    sink.produce(0, 20);
    std::atomic<int> calls = 0;
    sink.table->fault = [&](std::string_view name) {
      return name == call && ++calls == 1 ? Fault::refused : Fault::none;
    };
    EXPECT_EQ(sink.service.run_to_error(ErrorKind::config), "refused");
    sink.service.run();
    EXPECT_EQ(sink.rows(), wanted);
  }
}

TEST(Sink, HasEachRowOnceWhereTheLogFailsAtAnyCall) {
  const std::vector<std::string> wanted = expected_rows(24);
  for (const auto guarantee : {ProcessingGuarantee::at_least_once, ProcessingGuarantee::exactly_once}) {
    long n = 1;
    for (bool failed = true; failed; ++n) {
      SCOPED_TRACE("call " + std::to_string(n));
      SinkService sink(guarantee);
      sink.produce(0, 24);
      std::atomic<long> calls = 0;
      const Observer observe = [&](std::string_view) {
        if (++calls == n) throw Error(ErrorKind::broker, "as the test asked");
      };
      sink.service.context.log =
          std::make_shared<ObservedLog>(std::make_shared<TestLog>(sink.log, 4), observe);
      failed = false;
      try {
        sink.service.run();
      } catch (const Error&) {
        failed = true;
        sink.cut();
        sink.service.run();
      }
      ASSERT_EQ(sink.rows(), wanted);
    }
    EXPECT_GT(n, 40);
  }
}

TEST(Sink, IsNotWrittenBehindAnotherWriter) {
  // Another member writes half of what this one is about to; this one finds out, and writes the rest.
  SinkService sink(ProcessingGuarantee::exactly_once);
  sink.produce(0, 40);
  std::atomic<bool> written = false;
  sink.table->before_commit = [&](FakeTable& table, std::span<const SinkCommit> offsets,
                                  std::vector<std::string>& rows) {
    const std::int64_t middle = (offsets[0].from.value_or(0) + offsets[0].to) / 2;
    if (written || !offsets[0].from || middle == *offsets[0].from) return;
    written = true;
    std::vector<std::string> first;
    const auto records = sink.log->read({offsets[0].partition.topic, offsets[0].partition.partition},
                                        offsets[0].from.value_or(0), 1 << 20);
    for (const Record& record : records->rows) {
      if (record.offset >= middle) break;
      const std::string value(record.value_view());
      const std::string number = value.substr(5, value.find_first_of(",}") - 5);
      for (const std::string& row : rows)
        if (row.starts_with("n=" + number + " ")) first.push_back(row);
    }
    table.rows.insert(table.rows.end(), first.begin(), first.end());
    table.offsets[offsets[0].partition] = middle;
  };
  sink.service.run();
  EXPECT_TRUE(written);
  EXPECT_EQ(sink.rows(), expected_rows(40));
}

TEST(Sink, IsAskedWhatItHasAndRowsBelowAreNotWrittenAgain) {
  SinkService sink;
  sink.produce(0, 20);
  sink.service.run();
  const std::vector<std::string> once = sink.rows();
  // The log has lost what it knew of the group, the sink has not.
  SinkService again;
  again.table = sink.table;
  again.produce(0, 25);
  again.service.run();
  EXPECT_EQ(again.rows(), expected_rows(25));
  EXPECT_GT(again.rows().size(), once.size());
}

TEST(Sink, ThatBelongsToAnotherLogIsAnError) {
  SinkService sink;
  sink.produce(0, 5);
  sink.table->offsets[{"in", 0}] = 1000;
  sink.table->offsets[{"in", 1}] = 1000;
  const std::string text = sink.service.run_to_error(ErrorKind::state);
  EXPECT_NE(text.find("up to offset 1000"), std::string::npos) << text;
  EXPECT_NE(text.find("made anew"), std::string::npos) << text;
}

TEST(Sink, ThatIsBehindTheGroupIsAnError) {
  SinkService sink;
  sink.produce(0, 20);
  sink.service.run();
  for (auto& [partition, offset] : sink.table->offsets) offset -= 1;
  const std::string text = sink.service.run_to_error(ErrorKind::state);
  EXPECT_NE(text.find("lacks what is between"), std::string::npos) << text;
}

TEST(Sink, RefusesRowsByThePolicy) {
  SinkService sink;
  sink.service.context.options.on_error = ErrorPolicy::stop;
  sink.service.produce("in", "a", R"({"n":1,"x":1})");
  sink.service.produce("in", "a", R"({"n":2,"x":1,"refuse":1})");
  sink.service.produce("in", "a", R"({"n":3,"x":1})");
  const BadRow row = sink.service.run_to_bad_row();
  EXPECT_EQ(row.message, "refused by the sink");
  EXPECT_NE(row.step.find("sdf.sink(Fake(\"fake\"))"), std::string::npos) << row.step;
  EXPECT_EQ(sink.rows(), std::vector<std::string>{"n=1 x=1 sum=1"});
  sink.service.context.options.on_error = ErrorPolicy::dead_letter;
  sink.service.run();
  const std::vector<std::string> rows{"n=1 x=1 sum=1", "n=3 x=1 sum=3"};
  EXPECT_EQ(sink.rows(), rows);
  EXPECT_EQ(sink.service.read("group-dead-letters").size(), 1u);
}

TEST(Sink, ThatIsAwayIsWaitedForUntilStopped) {
  SinkService sink;
  sink.produce(0, 10);
  sink.service.limits.until_end = false;
  RunState state;
  std::atomic<int> opened = 0;
  sink.table->fault = [&](std::string_view) {
    if (++opened == 2) state.stop = true;
    return Fault::before;
  };
  sink.service.run(state);
  EXPECT_TRUE(sink.rows().empty());
  sink.table->fault = nullptr;
  sink.service.limits.until_end = true;
  sink.service.run();
  EXPECT_EQ(sink.rows(), expected_rows(10));
}

TEST(Sink, IsSeenInMetricsAndReadiness) {
  SinkService sink;
  sink.produce(0, 10);
  sink.service.limits.until_end = false;
  RunState state;
  std::atomic<int> opened = 0;
  std::string readiness;
  sink.table->fault = [&](std::string_view) {
    // The second time, what the first has come to is seen.
    if (++opened == 5) {
      readiness = ready(*sink.service.context.metrics).reason;
      state.stop = true;
    }
    return Fault::before;
  };
  sink.service.run(state);
  EXPECT_EQ(readiness, "in partition 0 waits for away");
  EXPECT_NE(prometheus_text(sink.service.context, sink.service.stages)
                .find("tiderace_sink_waiting{sink=\"fake\"} 1"),
            std::string::npos);
  sink.table->fault = nullptr;
  sink.service.limits.until_end = true;
  sink.service.run();
  const std::string text = prometheus_text(sink.service.context, sink.service.stages);
  EXPECT_NE(text.find("tiderace_sink_rows_total{sink=\"fake\"} 8\n"), std::string::npos) << text;
  EXPECT_NE(text.find("tiderace_sink_waiting{sink=\"fake\"} 0\n"), std::string::npos);
}

TEST(Sink, OfANameThatIsTakenIsAMistake) {
  SinkService sink;
  sink.service.extend = [&](const plan::Frame& frame) {
    frame.sink(std::make_shared<FakeSink>(sink.table));
    frame.sink(std::make_shared<FakeSink>(sink.table));
  };
  EXPECT_NE(sink.service.run_to_error(ErrorKind::plan).find("another sink is called \"fake\""),
            std::string::npos);
}

TEST(Sink, TakesTheRowsOfTwoBranchesTogether) {
  SinkService sink;
  sink.service.extend = [&](const plan::Frame& frame) {
    const auto fake = std::make_shared<FakeSink>(sink.table);
    frame.sink(fake);
    frame.project({"n"}).sink(fake);
  };
  sink.service.produce("in", "a", R"({"n":1,"x":2})");
  sink.service.run();
  const std::vector<std::string> rows{"n=1 x=2 sum=2", "n=1"};
  EXPECT_EQ(sink.rows(), rows);
}

}  // namespace
}  // namespace tiderace
