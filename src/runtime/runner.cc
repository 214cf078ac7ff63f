#include "runtime/runner.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <exception>
#include <mutex>
#include <optional>
#include <thread>

#include "base/error.h"
#include "base/logging.h"
#include "runtime/bad_rows.h"
#include "runtime/models/model_watch.h"
#include "runtime/recovery.h"
#include "runtime/standby/standby.h"

namespace tiderace {
namespace {

constexpr int registry_waits = 4;  // partitions that a worker prepares at a time

void create_topics(const RuntimeContext& context, const std::vector<std::unique_ptr<Stage>>& stages) {
  const auto create = [&](const Topic& topic) {
    context.log->create_topic(topic.name, topic_config(topic.options));
  };
  TopicConfig dead_letters;
  for (const auto& stage : stages) {
    create(*stage->resolved.topic);
    if (const auto input = context.log->topic(stage->resolved.topic->name)) {
      dead_letters.replication_factor =
          std::max(dead_letters.replication_factor, input->config.replication_factor);
      dead_letters.max_message_bytes =
          std::max(dead_letters.max_message_bytes, input->config.max_message_bytes + dead_letter_extra_bytes);
    }
    for (const ResolvedStep& step : stage->resolved.steps) {
      if (const auto* to_topic = std::get_if<ToTopic>(&step.node->step)) create(*to_topic->topic);
      for (const Rolling& rolling : step.merged) {
        if (const auto* late = std::get_if<std::shared_ptr<const Topic>>(&rolling.on_late)) create(**late);
      }
    }
    for (const ResolvedModel& model : stage->resolved.models) {
      const std::string& control = model.versions->options().control_topic;
      TopicConfig compacted;
      compacted.compacted = true;
      compacted.replication_factor = dead_letters.replication_factor;
      if (!control.empty()) context.log->create_topic(control, compacted);
    }
    if (stage->stateful()) prepare_changelog(context, *stage);
  }
  context.log->create_topic(context.dead_letter_topic(), dead_letters);
}

/// The workers of a run and the first error of any of them.
class Workers {
 public:
  Workers(const RuntimeContext& context, std::vector<std::unique_ptr<Stage>>& stages, const RunLimits& limits,
          RunState& state)
      : context_(context), state_(state), metrics_(*context.metrics) {
    for (int i = 0; i < context.options.workers; ++i) {
      workers_.push_back(std::make_unique<Worker>(context, stages, limits, state, i));
    }
  }

  void run() {
    for (const Feed& feed : context_.feeds) {
      state_.feeders.push_back(
          std::make_unique<Feeder>(feed, *context_.log, state_.stop, *context_.clock, [this] {
            try {
              throw;
            } catch (const Error& error) {
              fail(error.what());
            } catch (...) {
              fail("an exception that is none of Tiderace's");
            }
          }));
    }
    std::vector<std::thread> threads;
    for (std::size_t i = 1; i < workers_.size(); ++i)
      threads.emplace_back([this, i] { run_one(*workers_[i]); });
    run_one(*workers_[0]);
    for (std::thread& thread : threads) thread.join();
    state_.feeders.clear();
  }

  [[nodiscard]] Summary summary(double seconds) const {
    RunCounters counters;
    LatencyHistogram latency;
    for (const auto& worker : workers_) {
      counters.merge(worker->counters());
      latency.merge(worker->latency());
    }
    return summarize(counters, latency, seconds);
  }

  void rethrow() const {
    if (error_) std::rethrow_exception(error_);
  }

 private:
  void run_one(Worker& worker) {
    try {
      worker.run();
    } catch (const Error& error) {
      fail(error.what());
    } catch (...) {
      fail("an exception that is none of Tiderace's");
    }
    worker.metrics().finish();
  }

  /// In a handler of what ended a worker.
  void fail(const std::string& reason) {
    const std::lock_guard lock(mutex_);
    if (!error_) error_ = std::current_exception();
    state_.stop = true;  // the others stop at a checkpoint
    metrics_.fail(reason);
  }

  const RuntimeContext& context_;
  RunState& state_;
  RunMetrics& metrics_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::mutex mutex_;
  std::exception_ptr error_;
};

}  // namespace

void run_stages(const RuntimeContext& context, std::vector<std::unique_ptr<Stage>>& stages,
                const RunLimits& limits, RunState& state, Summary& summary) {
  const std::int64_t begin_ns = context.clock->steady_ns();
  std::vector<std::unique_ptr<ModelWatch>> watches;
  while (!state.stop) {
    try {
      create_topics(context, stages);
      watches = watch_models(context, stages);
      break;
    } catch (const BrokerAway& away) {
      log(LogLevel::warning, "{}: waiting for {}: {}", context.options.consumer_group,
          context.options.broker_address, away.what());
    }
  }
  std::optional<RegistryInterrupt> interrupt;  // ends before the watches, after the workers
  RuntimeContext extended = context;
  if (!watches.empty()) {
    interrupt.emplace(models_of(stages), state.stop);
    // A partition that waits for a registry holds up no other, also where the log is in this process.
    extended.restore_threads = std::max(extended.restore_threads, registry_waits);
  }
  if (context.options.standby_replicas > 0 && !context.log->process().empty())
    extended.stores = std::make_shared<Standby>(context, stages, context.stores);
  state.last_row_ns = begin_ns;
  if (limits.count) state.rows_left = static_cast<std::int64_t>(*limits.count);
  Workers workers(extended, stages, limits, state);
  workers.run();
  if (interrupt) interrupt->begin();
  for (const auto& stage : stages) stage->unseen.end();
  summary = workers.summary(static_cast<double>(context.clock->steady_ns() - begin_ns) / 1e9);
  log(LogLevel::info, "{}: {}", context.options.consumer_group, summary.to_string());
  workers.rethrow();
}

/// `  (version 4)`, and while partitions use others: `  (version 4; in use: 3 by 2 partitions)`.
static std::string version_text(const ModelVersions& model) {
  const std::string newest = model.newest()->version;
  std::vector<std::string> others;
  for (const auto& [version, partitions] : model.uses()) {
    if (version != newest)
      others.push_back(fmt::format("{} by {} partition{}", version, partitions, partitions == 1 ? "" : "s"));
  }
  if (others.empty()) return fmt::format("  (version {})", newest);
  return fmt::format("  (version {}; in use: {})", newest, fmt::join(others, ", "));
}

std::string explain_stages(const std::vector<std::unique_ptr<Stage>>& stages) {
  std::string text;
  for (const auto& stage : stages) {
    for (std::size_t i = 0; i < stage->resolved.steps.size(); ++i) {
      const ResolvedStep& step = stage->resolved.steps[i];
      const StepCounters& counters = stage->counters[i];
      text += fmt::format("{:>3}  {}", i, step.text);
      for (const std::size_t number : {step.model, step.shadow}) {
        if (number != no_model) text += version_text(*stage->resolved.models[number].versions);
      }
      if (i > 0 && step.input != i - 1) text += fmt::format("  (after step {})", step.input);
      const std::uint64_t rows_in = counters.rows_in;
      if (rows_in > 0 || stage->counters[0].rows_in > 0) {
        text += fmt::format("\n       rows in {}, out {}, bad {}, late {}; {:.3f} s", rows_in,
                            counters.rows_out.load(), counters.bad.load(), counters.late.load(),
                            static_cast<double>(counters.nanoseconds.load()) / 1e9);
      }
      text += '\n';
    }
  }
  return text;
}

}  // namespace tiderace
