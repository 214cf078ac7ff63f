// Fails the n-th call of every log, store and clock call until none fails any more, and starts again after
// each failure with the same log and stores. Faults must not show: not at all under exactly-once, and under
// at-least-once only as repeated rows with equal values.

#include <gtest/gtest.h>

#include <atomic>

#include "golden/test_log.h"
#include "runtime/observed.h"
#include "runtime/test_service.h"

namespace tiderace {
namespace {

using ByKey = std::map<std::string, std::vector<std::string>>;

constexpr const char* plan_text = R"(sdf = app.dataframe(app.topic("in", timestamp="t"))
sdf = sdf[sdf["x"].notnull()]
sdf["mean"] = sdf["x"].rolling("10s").mean()
sdf["most"] = sdf["x"].rolling(3, min_periods=1).max()
sdf["change"] = sdf["x"].diff()
sdf.to_topic(app.topic("out"))
other = app.dataframe(app.topic("other"))
other["sum"] = other["x"].rolling("5s", on_late=app.topic("late")).sum()
other.to_topic(app.topic("out-other"))
)";

/// What differs between the runs of this test.
struct Setting {
  ProcessingGuarantee guarantee = ProcessingGuarantee::exactly_once;
  int workers = 1;
  ErrorKind kind = ErrorKind::broker;
  int failures = 1;  ///< how many starts in a row fail at their n-th call
  bool lose_state = false;
  ErrorPolicy on_error = ErrorPolicy::dead_letter;
};

class FaultyService {
 public:
  explicit FaultyService(const Setting& setting) : setting_(setting), service_(plan_text) {
    log_ = service_.context.log;
    stores_ = service_.context.stores;
    RuntimeContext& context = service_.context;
    context.options.processing_guarantee = setting.guarantee;
    context.options.workers = setting.workers;
    context.options.commit_interval = std::chrono::nanoseconds(1);
    context.options.on_error = setting.on_error;
    context.options.max_state_memory = 2000;
    context.clock = &clock_;
    write_input();
    connect();
  }

  /// Starts until the rows are done, where the n-th call of the first starts fails. Returns whether one did.
  bool run(long n) {
    bool failed = false;
    for (int start = 0;; ++start) {
      calls_ = 0;
      failing_call_ = start < setting_.failures ? n : 0;
      try {
        service_.run();
        failing_call_ = 0;
        return failed;
      } catch (const Error& error) {
        if (error.what() != std::string("as the test asked")) throw;
        failed = true;
      }
      if (setting_.lose_state) stores_ = memory_state_stores();
      connect();
    }
  }

  /// The same with a row that stops the application, which then skips it.
  bool run_past_bad_rows(long n) {
    bool failed = false;
    for (;;) {
      try {
        failed = run(n) || failed;
        return failed;
      } catch (const Error& error) {
        if (!error.bad_row()) throw;
        stopped_.push_back(error.bad_row()->offset);
        service_.context.options.on_error = [this](const BadRow& row) {
          const bool known = std::find(stopped_.begin(), stopped_.end(), row.offset) != stopped_.end();
          return known ? ErrorPolicy::skip : ErrorPolicy::stop;
        };
      }
    }
  }

  [[nodiscard]] std::map<std::string, ByKey> results() const {
    std::map<std::string, ByKey> found;
    for (const char* topic : {"out", "out-other", "late", "group-dead-letters"})
      found[topic] = service_.by_key(topic);
    return found;
  }
  [[nodiscard]] std::map<TopicPartition, std::int64_t> offsets() const {
    return log_->group_offsets("group");
  }

 private:
  void connect() {
    const Observer observe = [this](std::string_view) { observe_call(); };
    // Short runs of rows, so that there is much between the first and the last.
    service_.context.log = std::make_shared<ObservedLog>(std::make_shared<TestLog>(log_, 6), observe);
    service_.context.stores = std::make_shared<ObservedStores>(stores_, observe);
  }

  void observe_call() {
    if (++calls_ == failing_call_.load()) throw Error(setting_.kind, "as the test asked");
  }

  void write_input() const {
    service_.create_topic("in", 2);
    for (int i = 0; i < 36; ++i) {
      const std::string key = "key" + std::to_string(i * i % 5);
      const int t = 1000 * i - (i % 7 == 3 ? 15'000 : 0);
      std::string text = "{\"t\":" + std::to_string(std::max(t, 0)) + ",\"n\":" + std::to_string(i);
      if (i % 6 != 5) text += ",\"x\":" + (i % 11 == 7 ? "\"high\"" : std::to_string(i * 0.1));
      service_.produce("in", key, text + "}", i);
    }
    for (int i = 0; i < 12; ++i) {
      service_.produce("other", "k" + std::to_string(i % 2), "{\"x\":" + std::to_string(i) + "}",
                       i == 8 ? 1 : i * 1000);
    }
  }

  Setting setting_;
  TestService service_;
  std::shared_ptr<Log> log_;
  std::shared_ptr<StateStores> stores_;
  ObservedClock clock_{[this](std::string_view) { observe_call(); }};
  std::atomic<long> calls_ = 0;
  std::atomic<long> failing_call_ = 0;
  std::vector<std::int64_t> stopped_;
};

/// The values of `found` without repetitions, per key in the order of their first appearance.
ByKey without_repetitions(const ByKey& found) {
  ByKey unique;
  for (const auto& [key, values] : found) {
    for (const std::string& value : values) {
      auto& kept = unique[key];
      if (std::find(kept.begin(), kept.end(), value) == kept.end()) kept.push_back(value);
    }
  }
  return unique;
}

void fail_every_call(const Setting& setting) {
  FaultyService straight(setting);
  straight.run_past_bad_rows(0);
  const auto expected = straight.results();
  ASSERT_FALSE(expected.at("out").empty());
  ASSERT_FALSE(expected.at("late").empty());
  long n = 1;
  for (;; ++n) {
    SCOPED_TRACE("call " + std::to_string(n));
    FaultyService faulty(setting);
    const bool failed = faulty.run_past_bad_rows(n);
    auto results = faulty.results();
    if (setting.guarantee == ProcessingGuarantee::at_least_once) {
      for (auto& [topic, found] : results) found = without_repetitions(found);
    }
    ASSERT_EQ(results, expected);
    ASSERT_EQ(faulty.offsets(), straight.offsets());
    if (!failed) break;
    ASSERT_LT(n, 5000);
  }
  EXPECT_GT(n, 100) << "the n-th call that fails went through the whole run";
}

TEST(Faults, UnderExactlyOnceDoNotShow) {
  fail_every_call({});
}

TEST(Faults, OfStoresDoNotShowEither) {
  fail_every_call({.kind = ErrorKind::state});
}

TEST(Faults, WithTwoWorkersDoNotShow) {
  fail_every_call({.workers = 2});
}

TEST(Faults, ThatComeAgainAtTheNextStartsDoNotShow) {
  fail_every_call({.failures = 3});
}

TEST(Faults, AndTheLossOfLocalStateDoNotShow) {
  fail_every_call({.failures = 2, .lose_state = true});
}

TEST(Faults, UnderAtLeastOnceOnlyRepeatRows) {
  fail_every_call({.guarantee = ProcessingGuarantee::at_least_once, .failures = 2});
}

TEST(Faults, UnderAtLeastOnceWithTwoWorkersOnlyRepeatRows) {
  fail_every_call({.guarantee = ProcessingGuarantee::at_least_once, .workers = 2, .lose_state = true});
}

TEST(Faults, AroundABadRowThatStopsDoNotShow) {
  fail_every_call({.on_error = ErrorPolicy::stop});
}

}  // namespace
}  // namespace tiderace
