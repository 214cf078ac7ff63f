#include "runtime/observation/prometheus.h"

#include <fmt/format.h>

#include <algorithm>

#include "runtime/models/model_watch.h"
#include "runtime/observation/exposition.h"
#include "runtime/observation/process_usage.h"

namespace tiderace {
namespace {

struct Observed {
  const RuntimeContext& context;
  const std::vector<std::unique_ptr<Stage>>& stages;
  WorkerReport all;  ///< of all workers together
  std::map<TopicPartition, RestoreReport> restores;
};

Observed observe(const RuntimeContext& context, const std::vector<std::unique_ptr<Stage>>& stages) {
  Observed observed{context, stages, {}, context.metrics->restores()};
  for (const auto& worker : context.metrics->workers()) {
    const WorkerReport report = worker->report();
    observed.all.counters.merge(report.counters);
    observed.all.latency.merge(report.latency);
    observed.all.commit.merge(report.commit);
    observed.all.checkpoint.merge(report.checkpoint);
    observed.all.rebalances += report.rebalances;
    observed.all.partitions_lost += report.partitions_lost;
    observed.all.commits_lost += report.commits_lost;
    observed.all.partitions.insert(observed.all.partitions.end(), report.partitions.begin(),
                                   report.partitions.end());
  }
  return observed;
}

void write_rows(Exposition& out, const Observed& observed) {
  const auto counter = [&out](std::string_view name, std::string_view help, std::uint64_t value) {
    out.metric(name, "counter", help);
    out.sample(value);
  };
  const RunCounters& counters = observed.all.counters;
  counter("tiderace_rows_in_total", "Records read.", counters.rows_in);
  counter("tiderace_rows_out_total", "Rows written to topics and sinks.", counters.rows_out);
  counter("tiderace_rows_filtered_total", "Rows that a filter took out.", counters.filtered);
  counter("tiderace_rows_bad_total", "Rows that could not be processed.", counters.bad);
  counter("tiderace_rows_late_total", "Rows that were late at one step or more.", counters.late);
  counter("tiderace_values_not_finite_total", "Infinities written as null.", counters.not_finite);
  counter("tiderace_bytes_read_total", "Keys and values of the rows in.", counters.bytes_read);
  counter("tiderace_bytes_written_total", "Keys, values and headers of the rows out.",
          counters.bytes_written);
  counter("tiderace_batches_total", "Batches of rows processed.", counters.batches);
  counter("tiderace_rebalances_total", "Times the group changed which partitions are this process's.",
          observed.all.rebalances);
  counter("tiderace_partitions_lost_total", "Partitions given to others while this process was away.",
          observed.all.partitions_lost);
  counter("tiderace_commits_lost_total", "Commits that failed, after which rows were processed again.",
          observed.all.commits_lost);
  counter("tiderace_restored_records_total", "Records of changelogs applied to state at its restore.",
          observed.context.metrics->restored_records());
}

void write_times(Exposition& out, const Observed& observed) {
  out.metric("tiderace_latency_seconds", "histogram",
             "From a row's arrival in the process to the hand-over of its outputs.");
  out.histogram(observed.all.latency);
  out.metric("tiderace_commit_seconds", "histogram",
             "Time of a commit in the log, until the worker has noticed its end.");
  out.histogram(observed.all.commit);
  out.metric("tiderace_checkpoint_seconds", "histogram",
             "Time of a checkpoint: changes of state, commit, stores.");
  out.histogram(observed.all.checkpoint);
}

double restored_ratio(const Observed& observed, const PartitionReport& report) {
  if (report.ready) return 1;
  const auto found = observed.restores.find(report.partition);
  if (found == observed.restores.end() || found->second.total == 0) return 0;
  return static_cast<double>(found->second.restored) / static_cast<double>(found->second.total);
}

void write_partitions(Exposition& out, const Observed& observed) {
  /// `value` of each partition; nullopt leaves it out.
  const auto gauge = [&](std::string_view name, std::string_view help, const auto& value) {
    out.metric(name, "gauge", help);
    for (const PartitionReport& report : observed.all.partitions) {
      const auto found = value(report);
      if (!found) continue;
      out.sample(*found, {{"topic", report.partition.topic},
                          {"partition", fmt::format("{}", report.partition.partition)}});
    }
  };
  const auto known = [](std::int64_t offset) {
    return offset < 0 ? std::nullopt : std::optional<std::int64_t>(offset);
  };
  gauge("tiderace_lag_records", "Offsets between the position and the end of the partition.",
        [](const PartitionReport& report) -> std::optional<std::int64_t> {
          if (report.position < 0 || report.end_offset < 0) return std::nullopt;
          return std::max<std::int64_t>(report.end_offset - report.position, 0);
        });
  gauge("tiderace_position_offset", "The next offset to process.",
        [&](const PartitionReport& report) { return known(report.position); });
  gauge("tiderace_end_offset", "One past the last committed record of the partition.",
        [&](const PartitionReport& report) { return known(report.end_offset); });
  gauge("tiderace_partition_ready", "1: its state is restored and it is read, 0: not yet.",
        [](const PartitionReport& report) { return std::optional<std::uint64_t>(report.ready ? 1 : 0); });
  gauge("tiderace_restored_ratio", "How much of the state is restored, 0 to 1.",
        [&](const PartitionReport& report) { return std::optional(restored_ratio(observed, report)); });
  gauge("tiderace_state_bytes", "Size of the local state.",
        [](const PartitionReport& report) { return std::optional(report.state_bytes); });
  gauge("tiderace_state_memory_bytes", "Size of the state that is kept in memory beside.",
        [](const PartitionReport& report) { return std::optional(report.memory_bytes); });
}

void write_standbys(Exposition& out, const RunMetrics& metrics) {
  const auto standbys = metrics.standbys();
  const auto gauge = [&](std::string_view name, std::string_view help, const auto& value) {
    out.metric(name, "gauge", help);
    for (const auto& [partition, report] : standbys) {
      if (const auto found = value(report))
        out.sample(*found,
                   {{"topic", partition.topic}, {"partition", fmt::format("{}", partition.partition)}});
    }
  };
  gauge("tiderace_standby_lag_records",
        "Offsets of the changelog that a copy of another process's state is behind.",
        [](const StandbyReport& report) { return report.lag; });
  gauge("tiderace_standby_state_bytes", "Size of a copy of another process's state.",
        [](const StandbyReport& report) { return std::optional(report.state_bytes); });
}

void write_steps(Exposition& out, const Observed& observed) {
  const auto counter = [&](std::string_view name, std::string_view help, const auto& value) {
    out.metric(name, "counter", help);
    for (const auto& stage : observed.stages) {
      for (std::size_t i = 0; i < stage->resolved.steps.size(); ++i) {
        out.sample(value(stage->counters[i]), {{"topic", stage->resolved.topic->name},
                                               {"step", fmt::format("{}", i)},
                                               {"text", stage->resolved.steps[i].text}});
      }
    }
  };
  counter("tiderace_step_rows_in_total", "Rows that reached the step.",
          [](const StepCounters& step) { return step.rows_in.load(); });
  counter("tiderace_step_rows_out_total", "Rows that left the step.",
          [](const StepCounters& step) { return step.rows_out.load(); });
  counter("tiderace_step_rows_bad_total", "Rows that were bad at the step.",
          [](const StepCounters& step) { return step.bad.load(); });
  counter("tiderace_step_rows_late_total", "Rows that were late at the step.",
          [](const StepCounters& step) { return step.late.load(); });
  counter("tiderace_step_rows_shadow_failed_total", "Rows that the shadow of the step's model failed on.",
          [](const StepCounters& step) { return step.shadow_failed.load(); });
  counter("tiderace_step_seconds_total", "Time spent in the step.",
          [](const StepCounters& step) { return static_cast<double>(step.nanoseconds.load()) / 1e9; });
}

void write_models(Exposition& out, const Observed& observed) {
  const auto models = models_of(observed.stages);
  out.metric("tiderace_model_partitions", "gauge", "Partitions that are scored by a version of a model.");
  for (const auto& model : models) {
    for (const auto& [version, partitions] : model->uses()) {
      out.sample(static_cast<std::int64_t>(partitions),
                 {{"model", model->options().name}, {"reference", model->reference()}, {"version", version}});
    }
  }
  const auto counter = [&](std::string_view name, std::string_view help, const auto& value) {
    out.metric(name, "counter", help);
    for (const auto& model : models) {
      out.sample(value(model->counters()).load(),
                 {{"model", model->options().name}, {"reference", model->reference()}});
    }
  };
  counter(
      "tiderace_model_swaps_total", "Times a partition went from one version of a model to another.",
      [](const ModelCounters& model) -> auto& { return model.swaps; });
  counter(
      "tiderace_model_rollbacks_total", "Versions that failed the first batch that they were tried on.",
      [](const ModelCounters& model) -> auto& { return model.rollbacks; });
  counter(
      "tiderace_model_load_failures_total", "Times a new version could not be found or loaded.",
      [](const ModelCounters& model) -> auto& { return model.load_failures; });
}

void write_workers(Exposition& out, const Observed& observed) {
  out.metric("tiderace_worker_turn_age_seconds", "gauge", "Time since the worker's last turn.");
  const auto workers = observed.context.metrics->workers();
  const std::int64_t now = observed.context.clock->steady_ns();
  for (std::size_t i = 0; i < workers.size(); ++i) {
    if (!workers[i]->at_work()) continue;
    const std::int64_t age_ns = std::max<std::int64_t>(now - workers[i]->last_turn_ns(), 0);
    out.sample(static_cast<double>(age_ns) / 1e9, {{"worker", fmt::format("{}", i)}});
  }
}

void write_process(Exposition& out, const RuntimeContext& context) {
  out.metric("tiderace_info", "gauge", "What runs.");
  out.sample(std::uint64_t{1},
             {{"version", TIDERACE_VERSION},
              {"consumer_group", context.options.consumer_group},
              {"processing_guarantee", context.exactly_once() ? "exactly-once" : "at-least-once"}});
  const ProcessUsage usage = process_usage();
  out.metric("process_cpu_seconds_total", "counter", "User and system time of the process.");
  out.sample(usage.cpu_seconds);
  const auto gauge = [&out](std::string_view name, std::string_view help, const auto& value) {
    if (!value) return;
    out.metric(name, "gauge", help);
    out.sample(*value);
  };
  gauge("process_start_time_seconds", "When the process began, since 1970.", usage.start_time_seconds);
  gauge("process_resident_memory_bytes", "Memory that the process has.", usage.resident_memory_bytes);
  gauge("process_virtual_memory_bytes", "Addresses that the process has.", usage.virtual_memory_bytes);
  gauge("process_open_fds", "Files and connections that the process has open.", usage.open_files);
}

}  // namespace

std::string prometheus_text(const RuntimeContext& context,
                            const std::vector<std::unique_ptr<Stage>>& stages) {
  const Observed observed = observe(context, stages);
  Exposition out;
  write_rows(out, observed);
  write_times(out, observed);
  write_partitions(out, observed);
  write_standbys(out, *context.metrics);
  write_steps(out, observed);
  write_models(out, observed);
  write_workers(out, observed);
  write_process(out, context);
  return out.text();
}

}  // namespace tiderace
