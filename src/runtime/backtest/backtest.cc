#include "runtime/backtest/backtest.h"

#include <algorithm>
#include <numeric>
#include <type_traits>

#include "base/error.h"
#include "runtime/backtest/in_parallel.h"
#include "runtime/backtest/pass.h"
#include "runtime/backtest/table_keys.h"

namespace tiderace {
namespace {

constexpr std::size_t min_rows_a_thread = 32768;  // below, threads cost more than they save
constexpr std::size_t max_threads = 64;

/// Whether rows of different keys may go through `step` in any order, on any thread.
bool shareable(const Step& step) {
  return std::visit(
      []<class T>(const T& each) {
        if constexpr (std::is_same_v<T, Rolling>)
          return !std::holds_alternative<std::shared_ptr<RowFunction>>(each.on_late);
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
  Passes(const RuntimeContext& context, Stage& stage, const BacktestInput& input, const TableKeys& keys)
      : stage_(stage) {
    for (std::size_t share = 0; share < keys.shares(); ++share)
      passes_.push_back(std::make_unique<Pass>(context, stage, input, keys, share));
  }

  /// Over the rows before `end`. The first row that the policy stops at, if any.
  std::optional<BadRow> run(std::size_t end) {
    std::atomic<std::size_t> limit = end;
    std::vector<std::optional<BadRow>> stops(passes_.size());
    in_parallel(passes_.size(), [&](std::size_t share) { stops[share] = passes_[share]->run(limit); });
    std::optional<BadRow> first;
    for (std::optional<BadRow>& stop : stops) {
      if (stop && (!first || stop->offset < first->offset)) first = std::move(stop);
    }
    return first;
  }

  BacktestResult finish() {
    const ResolvedOutput& output = *stage_.resolved.output;
    BacktestResult result;
    result.is_documents = output.raw;
    if (passes_.size() > 1) find_places(result.rows);
    if (output.raw) result.documents = documents();
    for (std::size_t f = 0; f < output.fields.size(); ++f) {
      const ResolvedOutput::Field& field = output.fields[f];
      BacktestResult::Field made{field.name, std::nullopt, field.table_column};
      if (field.slot != no_slot) made.column = column(f);
      result.fields.push_back(std::move(made));
    }
    if (passes_.size() == 1) result.rows = std::move(passes_[0]->rows());
    return result;
  }

  [[nodiscard]] RunCounters counters() const {
    RunCounters all;
    for (const auto& pass : passes_) {
      all.merge(pass->counters());
      all.rows_out += pass->rows().size();
    }
    return all;
  }

 private:
  /// Sets where each row of each share comes in the result, and the input row of each that is there.
  void find_places(std::vector<std::uint32_t>& all) {
    std::size_t total = 0;
    for (const auto& pass : passes_) total += pass->rows().size();
    all.resize(total);
    places_.resize(passes_.size());
    in_parallel(passes_.size(), [&](std::size_t share) {
      const std::vector<std::uint32_t>& rows = passes_[share]->rows();
      std::vector<std::uint32_t>& places = places_[share];
      places.resize(rows.size());
      std::iota(places.begin(), places.end(), 0u);
      for (std::size_t other = 0; other < passes_.size(); ++other) {
        if (other == share) continue;
        const std::vector<std::uint32_t>& theirs = passes_[other]->rows();
        std::uint32_t before = 0;
        for (std::size_t i = 0; i < rows.size(); ++i) {
          while (before < theirs.size() && theirs[before] < rows[i]) ++before;
          places[i] += before;
        }
      }
      for (std::size_t i = 0; i < rows.size(); ++i) all[places[i]] = rows[i];
    });
  }

  std::vector<std::string> documents() {
    if (passes_.size() == 1) return std::move(passes_[0]->documents());
    std::size_t total = 0;
    for (const auto& places : places_) total += places.size();
    std::vector<std::string> all(total);
    for (std::size_t share = 0; share < passes_.size(); ++share) {
      for (std::size_t i = 0; i < places_[share].size(); ++i)
        all[places_[share][i]] = std::move(passes_[share]->documents()[i]);
    }
    return all;
  }

  Column column(std::size_t field) {
    if (passes_.size() == 1) return passes_[0]->take_column(field);
    std::vector<Column> parts(passes_.size());
    in_parallel(passes_.size(),
                [&](std::size_t share) { parts[share] = passes_[share]->take_column(field); });
    return interleave(parts, places_);
  }

  Stage& stage_;
  std::vector<std::unique_ptr<Pass>> passes_;
  std::vector<std::vector<std::uint32_t>> places_;  ///< by share and row of it: where it is in the result
};

}  // namespace

BacktestResult run_backtest(const RuntimeContext& context, Stage& stage, const BacktestInput& input,
                            Summary& summary) {
  const std::int64_t begin_ns = context.clock->steady_ns();
  const TableKeys keys(input, stage.resolved.needs_keys, threads_for(context, stage, input));
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
    return passes.finish();
  }
}

}  // namespace tiderace
