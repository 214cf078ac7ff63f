#include "runtime/backtest.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "base/error.h"
#include "columnar/describe.h"
#include "formats/json/encoder.h"
#include "runtime/progress.h"
#include "runtime/task.h"

namespace tiderace {
namespace {

constexpr std::size_t default_batch_rows = 8192;  // the columns of a batch stay in the second-level cache

/// One pass over the rows before `end`.
class Pass {
 public:
  Pass(const RuntimeContext& context, Stage& stage, const BacktestInput& input, std::size_t end)
      : context_(context), stage_(stage), input_(input), end_(end), stores_(memory_state_stores()) {
    Task::Resources resources;
    resources.store = stores_->open("backtest");
    resources.counters = &counters_;
    resources.collect = [this](const Batch& batch) { collect(batch); };
    task_ = std::make_unique<Task>(context, stage, TopicPartition{}, std::move(resources));
    const ResolvedOutput& output = *stage.resolved.output;
    if (output.raw) encoder_.emplace(output.layout);
    for (const ResolvedOutput::Field& field : output.fields)
      columns_.emplace_back(field.slot == no_slot ? 0 : end);
  }

  /// The first row that the policy stops at, if any.
  std::optional<BadRow> run() {
    const std::size_t step = input_.batch_rows == 0 ? default_batch_rows : input_.batch_rows;
    Progress progress("backtest", end_, *context_.clock, input_.progress);
    for (std::size_t begin = 0; begin < end_; begin += step) {
      if (input_.interrupt) input_.interrupt();
      StepReport report;
      Batch batch = read(begin, std::min(step, end_ - begin), report);
      counters_.rows_in += std::min(step, end_ - begin);
      count(stage_.counters[0].rows_in, std::min(step, end_ - begin));
      if (auto row = task_->process(std::move(batch), std::move(report), begin)) return row;
      progress.reached(begin);
    }
    return std::nullopt;
  }

  [[nodiscard]] std::optional<std::string> key_of(std::size_t row) const {
    if (!input_.key) return std::nullopt;
    return key_text(input_.column(std::span(&*input_.key, 1), row, 1), 0);
  }

  BacktestResult finish() {
    BacktestResult result;
    const ResolvedOutput& output = *stage_.resolved.output;
    result.is_documents = output.raw;
    result.rows = std::move(rows_);
    result.documents = std::move(documents_);
    for (std::size_t f = 0; f < output.fields.size(); ++f) {
      const ResolvedOutput::Field& field = output.fields[f];
      BacktestResult::Field made{field.name, std::nullopt, field.table_column};
      if (field.slot != no_slot) made.column = columns_[f].finish();
      result.fields.push_back(std::move(made));
    }
    return result;
  }

  /// `bad`: one more row was read and stopped at.
  [[nodiscard]] Summary summary(bool bad, std::int64_t nanoseconds) {
    counters_.rows_out = rows_.size();
    counters_.rows_in += bad ? 1 : 0;
    counters_.bad += bad ? 1 : 0;
    return summarize(counters_, LatencyHistogram(), static_cast<double>(nanoseconds) / 1e9);
  }

 private:
  /// `column` with the kind that the topic declares; what does not fit is bad.
  static Column declared(const JsonField& field, const Column& column, RowErrors& errors) {
    const Kind kind = *field.declared;
    if (column.all(kind)) return column;
    ColumnBuilder builder(column.size());
    for (std::size_t i = 0; i < column.size(); ++i) {
      if (column.is_null(i) || column.kind(i) == kind) {
        builder.copy(i, column, i);
      } else if (kind == Kind::float64 && column.kind(i) == Kind::int64) {
        builder.set_float64(i, static_cast<double>(column.int64(i)));
      } else {
        builder.set_null(i);
        errors.add(i, BadRowKind::type,
                   fmt::format("field \"{}\": wanted {}, found {}", field.path[0], to_string(kind),
                               describe(column, i)));
      }
    }
    return Column(std::move(builder));
  }

  Batch read(std::size_t begin, std::size_t size, StepReport& report) {
    begin_ = begin;
    Batch batch;
    batch.rows.resize(size);
    std::iota(batch.rows.begin(), batch.rows.end(), 0u);
    batch.event_time_ns.assign(size, 0);
    if (input_.event_time_ns)
      std::copy_n(input_.event_time_ns->begin() + static_cast<std::ptrdiff_t>(begin), size,
                  batch.event_time_ns.begin());
    RowErrors errors;
    if (stage_.resolved.needs_keys) set_keys(batch, begin, errors);
    batch.columns.resize(stage_.resolved.slots);
    for (const JsonField& field : stage_.resolved.reads[0].fields) {
      Column column = input_.column(field.path, begin, size);
      batch.columns[field.slot] = field.declared ? declared(field, column, errors) : std::move(column);
    }
    report.bad = errors.take();
    const auto first =
        std::lower_bound(input_.bad.begin(), input_.bad.end(), begin,
                         [](const RowErrors::Entry& entry, std::size_t row) { return entry.row < row; });
    for (auto entry = first; entry != input_.bad.end() && entry->row < begin + size; ++entry) {
      report.bad.push_back({entry->row - static_cast<std::uint32_t>(begin), entry->kind, entry->message});
    }
    return batch;
  }

  void set_keys(Batch& batch, std::size_t begin, RowErrors& errors) {
    batch.keys.assign(batch.size(), no_key);
    if (!input_.key) return;
    const Column keys = input_.column(std::span(&*input_.key, 1), begin, batch.size());
    if (keys.all(Kind::string)) {
      key_texts_.resize(batch.size());
      for (std::size_t i = 0; i < batch.size(); ++i) key_texts_[i] = keys.text(i);
      return task_->keys().intern(key_texts_, batch.keys);
    }
    for (std::size_t i = 0; i < batch.size(); ++i) {
      if (const auto key = key_text(keys, i)) {
        batch.keys[i] = task_->keys().intern(*key);
      } else if (!keys.is_null(i)) {
        errors.add(i, BadRowKind::key,
                   fmt::format("wanted a string or an integer as the key in the column \"{}\", found {}",
                               *input_.key, describe(keys, i)));
      }
    }
  }

  static std::optional<std::string> key_text(const Column& keys, std::size_t i) {
    if (keys.kind(i) == Kind::int64) return fmt::format("{}", keys.int64(i));
    if (keys.kind(i) == Kind::string || keys.kind(i) == Kind::bytes) return std::string(keys.text(i));
    return std::nullopt;
  }

  void collect(const Batch& batch) {
    const ResolvedOutput& output = *stage_.resolved.output;
    for (const std::uint32_t row : batch.rows) rows_.push_back(static_cast<std::uint32_t>(begin_) + row);
    for (std::size_t f = 0; f < output.fields.size(); ++f) {
      if (output.fields[f].slot != no_slot) columns_[f].append(batch.columns[output.fields[f].slot]);
    }
    if (!encoder_) return;
    RowErrors errors;
    encoder_->encode(batch, encoded_, errors);
    for (std::size_t i = 0; i < batch.size(); ++i) documents_.emplace_back(encoded_.row(i));
  }

  const RuntimeContext& context_;
  Stage& stage_;
  const BacktestInput& input_;
  std::size_t end_;
  std::size_t begin_ = 0;
  std::unique_ptr<StateStores> stores_;
  RunCounters counters_;
  std::unique_ptr<Task> task_;
  std::vector<std::string_view> key_texts_;
  std::vector<std::uint32_t> rows_;
  std::vector<ColumnAppender> columns_;  ///< by output field
  std::optional<JsonEncoder> encoder_;
  EncodedRows encoded_;
  std::vector<std::string> documents_;
};

}  // namespace

BacktestResult run_backtest(const RuntimeContext& context, Stage& stage, const BacktestInput& input,
                            Summary& summary) {
  const std::int64_t begin_ns = context.clock->steady_ns();
  std::size_t end = input.rows;
  for (std::optional<BadRow> first;;) {
    Pass pass(context, stage, input, end);
    auto row = pass.run();
    if (row) {
      // An earlier row of the same batch may be bad at a later step: the rows before this one decide.
      end = static_cast<std::size_t>(row->offset);
      row->key = pass.key_of(end);
      first = std::move(row);
      continue;
    }
    summary = pass.summary(first.has_value(), context.clock->steady_ns() - begin_ns);
    if (first) throw Error(std::move(*first));
    return pass.finish();
  }
}

}  // namespace tiderace
