#include <gtest/gtest.h>

#include "runtime/observation/exposition.h"
#include "runtime/observation/health.h"
#include "runtime/observation/process_usage.h"
#include "runtime/observation/prometheus.h"
#include "runtime/test_service.h"

namespace tiderace {
namespace {

using namespace std::chrono_literals;

constexpr std::int64_t second_ns = 1'000'000'000;

TEST(Exposition, EscapesWhatLabelsHold) {
  Exposition out;
  out.metric("a_total", "counter", "What it is.");
  out.sample(std::uint64_t{3}, {{"topic", "x"}, {"text", "say \"hi\"\\\nto \xFF"}});
  out.sample(0.5);
  EXPECT_EQ(out.text(),
            "# HELP a_total What it is.\n# TYPE a_total counter\n"
            "a_total{topic=\"x\",text=\"say \\\"hi\\\"\\\\\\nto \xEF\xBF\xBD\"} 3\na_total 0.5\n");
}

TEST(Exposition, BucketsOfAHistogramAddUp) {
  DurationHistogram histogram;
  histogram.add(second_ns / 2000);  // an edge belongs to its bucket
  histogram.add(2 * second_ns, 3);
  histogram.add(60 * second_ns);
  Exposition out;
  out.metric("t_seconds", "histogram", "Time.");
  out.histogram(histogram);
  EXPECT_NE(out.text().find("t_seconds_bucket{le=\"0.0005\"} 1\nt_seconds_bucket{le=\"0.001\"} 1\n"),
            std::string::npos)
      << out.text();
  EXPECT_TRUE(
      out.text().ends_with("t_seconds_bucket{le=\"2.5\"} 4\nt_seconds_bucket{le=\"5\"} 4\n"
                           "t_seconds_bucket{le=\"10\"} 4\nt_seconds_bucket{le=\"+Inf\"} 5\n"
                           "t_seconds_sum 66.0005\nt_seconds_count 5\n"))
      << out.text();
}

TEST(ProcessUsage, IsThatOfThisProcess) {
  const ProcessUsage usage = process_usage();
  EXPECT_GT(usage.cpu_seconds, 0);
  EXPECT_GT(usage.resident_memory_bytes.value(), 1u << 20);
  EXPECT_GE(usage.virtual_memory_bytes.value(), usage.resident_memory_bytes.value());
  EXPECT_GE(usage.open_files.value(), 3u);
  const double now = static_cast<double>(system_clock().wall_ms()) / 1000;
  EXPECT_LE(usage.start_time_seconds.value(), now + 1);
  EXPECT_GT(usage.start_time_seconds.value(), now - 3600);
}

TEST(WorkerMetrics, WhatIsShownNeverGoesBack) {
  WorkerMetrics metrics;
  WorkerReport report;
  report.counters.rows_in = 10;
  report.counters.bad = 1;
  metrics.publish(report);
  report.counters.rows_in = 7;  // back to the last checkpoint
  report.counters.bad = 2;
  metrics.publish(report);
  EXPECT_EQ(metrics.report().counters.rows_in, 10u);
  EXPECT_EQ(metrics.report().counters.bad, 2u);
  report.counters.rows_in = 12;
  metrics.publish(report);
  EXPECT_EQ(metrics.report().counters.rows_in, 12u);
}

TEST(Health, AWorkerThatMakesNoTurnHangs) {
  RunMetrics metrics;
  EXPECT_TRUE(alive(metrics, 0, 10s).good);
  const auto worker = metrics.add_worker(0);
  EXPECT_TRUE(alive(metrics, 100 * second_ns, 10s).good) << "before its first turn it waits for others";
  worker->heartbeat_ns() = 100 * second_ns;
  EXPECT_TRUE(alive(metrics, 110 * second_ns, 10s).good);
  const Health hangs = alive(metrics, 111 * second_ns, 10s);
  EXPECT_FALSE(hangs.good);
  EXPECT_EQ(hangs.reason, "worker 0 hangs: it has made no turn for 11.0 s, health_timeout is 10 s");
  {
    class At111 final : public Clock {
      std::int64_t wall_ms() override { return 0; }
      std::int64_t steady_ns() override { return 111 * second_ns; }
    } clock;
    RestoreWatch(metrics, clock, {"in", 0}, 9).reached(1);
  }
  EXPECT_TRUE(alive(metrics, 121 * second_ns, 10s).good) << "a restore came further";
  EXPECT_FALSE(alive(metrics, 122 * second_ns, 10s).good);
  worker->finish();
  EXPECT_TRUE(alive(metrics, 122 * second_ns, 10s).good) << "it has ended";
}

TEST(Health, AFailureIsTold) {
  RunMetrics metrics;
  metrics.fail("the disk is full");
  metrics.fail("and another");
  EXPECT_FALSE(alive(metrics, 0, 10s).good);
  EXPECT_EQ(alive(metrics, 0, 10s).reason, "failed: the disk is full");
  EXPECT_EQ(ready(metrics).reason, "failed: the disk is full");
}

TEST(Health, ReadyIsAssignedAndRestored) {
  RunMetrics metrics;
  EXPECT_EQ(ready(metrics).reason, "starting: the topics are looked for");
  const auto worker = metrics.add_worker(0);
  EXPECT_EQ(ready(metrics).reason, "worker 0 waits for its group to assign partitions");
  WorkerReport report;
  report.joined = true;
  worker->publish(report);
  EXPECT_TRUE(ready(metrics).good) << "a member without partitions has nothing to wait for";
  report.partitions.push_back({.partition = {"in", 2}});
  worker->publish(report);
  EXPECT_EQ(ready(metrics).reason, "in partition 2 is not restored yet: 0 of 0 records");
  {
    const RestoreWatch watch(metrics, system_clock(), {"in", 2}, 50);
    watch.reached(20);
    EXPECT_EQ(ready(metrics).reason, "in partition 2 is not restored yet: 20 of 50 records");
  }
  EXPECT_TRUE(metrics.restores().empty());
  EXPECT_EQ(metrics.restored_records(), 20u);
  report.partitions[0].ready = true;
  worker->publish(report);
  EXPECT_TRUE(ready(metrics).good);
  EXPECT_EQ(ready(metrics).reason, "ready: 1 partitions");
}

TEST(Prometheus, ARestoreShowsInRatioAndRecords) {
  TestService service(
      "sdf = app.dataframe(app.topic(\"in\"))\n"
      "sdf[\"y\"] = sdf[\"x\"].shift(1)\n"
      "sdf.to_topic(app.topic(\"out\"))\n");
  WorkerReport report;
  report.partitions.push_back({.partition = {"in", 0}, .end_offset = 12});
  service.context.metrics->add_worker(0)->publish(report);
  const RestoreWatch watch(*service.context.metrics, system_clock(), {"in", 0}, 8);
  watch.reached(2);
  const std::string text = prometheus_text(service.context, service.stages);
  const auto has = [&](const std::string& line) {
    return text.find("\n" + line + "\n") != std::string::npos;
  };
  EXPECT_TRUE(has("tiderace_restored_ratio{topic=\"in\",partition=\"0\"} 0.25")) << text;
  EXPECT_TRUE(has("tiderace_restored_records_total 2")) << text;
  EXPECT_TRUE(has("tiderace_partition_ready{topic=\"in\",partition=\"0\"} 0")) << text;
  EXPECT_TRUE(has("tiderace_end_offset{topic=\"in\",partition=\"0\"} 12")) << text;
  EXPECT_EQ(text.find("tiderace_position_offset{"), std::string::npos) << "it is not known yet";
}

TEST(Prometheus, ARunEndsWithTheCountsOfItsSummary) {
  TestService service(
      "sdf = app.dataframe(app.topic(\"in\"))\n"
      "sdf = sdf[sdf[\"x\"] > 1]\n"
      "sdf[\"y\"] = sdf[\"x\"].shift(1)\n"
      "sdf.to_topic(app.topic(\"out\"))\n");
  service.context.options.on_error = ErrorPolicy::skip;
  service.produce_all({R"({"x":1})", R"({"x":"a"})", R"({"x":2})", R"({"x":3})"});
  RunState state;
  service.run(state);
  EXPECT_EQ(service.summary.rows_out, 2u);
  const auto workers = service.context.metrics->workers();
  ASSERT_EQ(workers.size(), 1u);
  const WorkerReport report = workers[0]->report();
  EXPECT_EQ(report.counters.rows_in, service.summary.rows_in);
  EXPECT_EQ(report.counters.rows_out, service.summary.rows_out);
  EXPECT_EQ(report.counters.filtered, service.summary.filtered);
  EXPECT_EQ(report.counters.bad, service.summary.bad);
  EXPECT_EQ(report.counters.bytes_read, 4 * 1 + 7 + 9 + 7 + 7u);
  EXPECT_EQ(report.counters.bytes_written,
            2 * 1 + service.values("out")[0].size() + service.values("out")[1].size());
  EXPECT_EQ(report.rebalances, 1u);
  ASSERT_EQ(report.partitions.size(), 1u);
  EXPECT_EQ(report.partitions[0].position, 4);
  EXPECT_EQ(report.partitions[0].end_offset, 4);
  EXPECT_GT(report.partitions[0].state_bytes, 0u);
  EXPECT_FALSE(workers[0]->at_work());
}

}  // namespace
}  // namespace tiderace
