#include "runtime/backtest/backtest.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <functional>
#include <type_traits>

#include "base/error.h"
#include "columnar/function.h"
#include "runtime/backtest/in_parallel.h"
#include "runtime/backtest/merge.h"
#include "runtime/backtest/pass.h"
#include "runtime/backtest/table_keys.h"
#include "runtime/progress.h"

namespace tiderace {
namespace {

constexpr std::size_t min_rows_a_thread = 32768;  // below, threads cost more than they save
constexpr std::size_t max_threads = 16;           // each reads the whole table

bool is_pure(const PlannedModel& planned) {
  if (planned.model) return planned.model->pure();
  const auto versions = std::dynamic_pointer_cast<ModelVersions>(planned.versions);
  return versions->newest()->methods.at(planned.method)->pure();
}

/// Whether rows of different keys may go through `step` in any order, on any thread.
bool shareable(const Step& step) {
  return std::visit(
      []<class T>(const T& each) {
        if constexpr (std::is_same_v<T, Rolling>)
          return !std::holds_alternative<std::shared_ptr<RowFunction>>(each.on_late);
        if constexpr (std::is_same_v<T, Predict>)
          return is_pure(each.model) && (!each.shadow || is_pure(*each.shadow));
        return !std::is_same_v<T, ApplyRow> && !std::is_same_v<T, ApplyValue> &&
               !std::is_same_v<T, MapBatches> && !std::is_same_v<T, Print>;
      },
      step);
}

/// One where the plan has code of the user, or state that time takes away: which rows of other keys came
/// before would be seen.
std::size_t threads_for(const RuntimeContext& context, const Stage& stage, const BacktestInput& input) {
  const auto& topic_policy = stage.resolved.topic->options.on_error;
  const OnError& policy = topic_policy ? *topic_policy : context.options.on_error;
  if (context.options.state_ttl || !std::holds_alternative<ErrorPolicy>(policy)) return 1;
  for (const ResolvedStep& step : stage.resolved.steps) {
    if (!shareable(step.node->step)) return 1;
  }
  if (input.threads != 0) return std::min(input.threads, max_threads);
  return std::clamp<std::size_t>(input.rows / min_rows_a_thread, 1,
                                 std::min(usable_processors(), max_threads));
}

/// The passes of all shares over the same rows, and what came of them.
class Passes {
 public:
  Passes(const RuntimeContext& context, Stage& stage, const BacktestInput& input, TableKeys& keys)
      : stage_(stage), input_(input), clock_(*context.clock) {
    keys.begin_pass();
    for (std::size_t share = 0; share < keys.shares(); ++share)
      passes_.push_back(std::make_unique<Pass>(context, stage, input, keys, share));
  }

  /// Over the rows before `end`. The first row that the policy stops at, if any.
  std::optional<BadRow> run(std::size_t end) {
    std::atomic<std::size_t> limit = end;
    std::vector<std::optional<BadRow>> stops(passes_.size());
    std::vector<std::exception_ptr> failures(passes_.size());
    std::exception_ptr interrupted;
    Progress progress("backtest", end, clock_, input_.progress);
    const auto look_around = [&](std::size_t reached) {
      progress.reached(reached);
      try {
        if (input_.interrupt && !interrupted) input_.interrupt();
      } catch (...) {
        interrupted = std::current_exception();
        limit = 0;
      }
    };
    std::atomic<std::size_t> reached = 0;
    const auto run_share = [&](std::size_t share) {
      const auto before_batch = [&](std::size_t begin) {
        if (share == 0) look_around(begin);
        move_to(reached, begin, std::greater());
      };
      try {
        stops[share] = passes_[share]->run(limit, before_batch);
        if (stops[share]) lower(limit, static_cast<std::size_t>(stops[share]->offset));
      } catch (...) {
        failures[share] = std::current_exception();
        lower(limit, passes_[share]->batch_begin());
      }
    };
    in_parallel(passes_.size(), run_share, [&] { look_around(reached); });
    if (interrupted) std::rethrow_exception(interrupted);
    return first_of(stops, failures);
  }

  BacktestResult finish(std::size_t table_rows) {
    std::vector<KeptRows> kept(passes_.size());
    in_parallel(passes_.size(), [&](std::size_t share) { kept[share] = passes_[share]->take_rows(); });
    KeptRows all = kept.size() == 1 ? std::move(kept.front()) : merge(kept, table_rows);
    const ResolvedOutput& output = *stage_.resolved.output;
    BacktestResult result;
    result.is_documents = output.raw;
    result.rows = std::move(all.rows);
    if (output.raw) result.documents = passes_.front()->take_documents();  // functions have one share
    for (std::size_t f = 0; f < output.fields.size(); ++f) {
      const ResolvedOutput::Field& field = output.fields[f];
      BacktestResult::Field made{field.name, std::nullopt, field.table_column};
      if (field.slot != no_slot) made.column = std::move(all.columns[f]);
      result.fields.push_back(std::move(made));
    }
    return result;
  }

  [[nodiscard]] RunCounters counters() const {
    RunCounters all;
    for (const auto& pass : passes_) all.merge(pass->counters());
    return all;
  }

 private:
  /// Sets `value` to `bound` if that comes before it in `order`.
  template <class Order>
  static void move_to(std::atomic<std::size_t>& value, std::size_t bound, Order order) {
    std::size_t present = value;
    while (order(bound, present) && !value.compare_exchange_weak(present, bound)) {
    }
  }
  static void lower(std::atomic<std::size_t>& value, std::size_t bound) {
    move_to(value, bound, std::less());
  }

  /// What comes first in the table counts: a row to stop at, or what a batch threw.
  std::optional<BadRow> first_of(std::vector<std::optional<BadRow>>& stops,
                                 const std::vector<std::exception_ptr>& failures) const {
    std::optional<BadRow> first;
    for (std::optional<BadRow>& stop : stops) {
      if (stop && (!first || stop->offset < first->offset)) first = std::move(stop);
    }
    for (std::size_t share = 0; share < failures.size(); ++share) {
      if (!failures[share]) continue;
      const std::size_t begin = passes_[share]->batch_begin();
      if (!first || begin <= static_cast<std::size_t>(first->offset)) std::rethrow_exception(failures[share]);
    }
    return first;
  }

  Stage& stage_;
  const BacktestInput& input_;
  Clock& clock_;
  std::vector<std::unique_ptr<Pass>> passes_;
};

}  // namespace

BacktestResult run_backtest(const RuntimeContext& context, Stage& stage, const BacktestInput& input,
                            Summary& summary) {
  const std::int64_t begin_ns = context.clock->steady_ns();
  stage.pinned.clear();
  for (const ResolvedModel& model : stage.resolved.models) stage.pinned.push_back(model.versions->newest());
  TableKeys keys(input, stage.resolved.needs_keys, threads_for(context, stage, input));
  std::size_t end = input.rows;
  for (std::optional<BadRow> first;;) {
    Passes passes(context, stage, input, keys);
    if (auto row = passes.run(end)) {
      // An earlier row of the same batch may be bad at a later step: the rows before this one decide.
      end = static_cast<std::size_t>(row->offset);
      if (input.key) row->key = key_text(input.column(std::span(&*input.key, 1), end, 1), 0);
      first = std::move(row);
      continue;
    }
    RunCounters counters = passes.counters();
    if (first) {  // one more row was read, and stopped at
      ++counters.rows_in;
      ++counters.bad;
    }
    const std::int64_t took_ns = context.clock->steady_ns() - begin_ns;
    summary = summarize(counters, LatencyHistogram(), static_cast<double>(took_ns) / 1e9);
    if (first) throw Error(std::move(*first));
    return passes.finish(input.rows);
  }
}

}  // namespace tiderace
