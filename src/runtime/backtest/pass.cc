#include "runtime/backtest/pass.h"

#include <fmt/format.h>

#include <algorithm>

#include "columnar/describe.h"

namespace tiderace {
namespace {

constexpr std::size_t default_batch_rows = 8192;  // the columns of a batch stay in the second-level cache

/// `column` with the kind that the topic declares; what does not fit is bad.
Column declared(const JsonField& field, const Column& column, RowErrors& errors) {
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

/// The given rows, ascending and counted from `begin`, of the value at `path`.
Column rows_of(const BacktestInput& input, std::span<const std::string> path, std::size_t begin,
               std::span<const std::uint32_t> rows) {
  if (rows.empty()) return Column();
  const std::uint32_t first = rows.front();
  const std::size_t reach = rows.back() - first + 1;
  const Column column = input.column(path, begin + first, reach);
  if (reach == rows.size()) return column;
  if (first == 0) return column.take(rows);
  std::vector<std::uint32_t> counted(rows.begin(), rows.end());
  for (std::uint32_t& row : counted) row -= first;
  return column.take(counted);
}

}  // namespace

Pass::Pass(const RuntimeContext& context, Stage& stage, const BacktestInput& input, TableKeys& keys,
           std::size_t share)
    : stage_(stage), input_(input), keys_(keys), share_(share), stores_(memory_state_stores()) {
  Task::Resources resources;
  resources.store = stores_->open("backtest");
  resources.counters = &counters_;
  resources.collect = [this](const Batch& batch) { collect(batch); };
  task_ = std::make_unique<Task>(context, stage, TopicPartition{}, std::move(resources));
  const ResolvedOutput& output = *stage.resolved.output;
  if (output.raw) encoder_.emplace(output.layout);
  rows_.reserve(input.rows);  // room that is not used is not touched
  for (const ResolvedOutput::Field& field : output.fields)
    columns_.emplace_back(field.slot == no_slot ? 0 : input.rows);
}

std::optional<BadRow> Pass::run(std::atomic<std::size_t>& end,
                                const std::function<void(std::size_t)>& before_batch) {
  const std::size_t wanted = input_.batch_rows == 0 ? default_batch_rows : input_.batch_rows;
  const std::size_t step = std::clamp<std::size_t>(wanted, 1, std::max<std::size_t>(input_.rows, 1));
  for (std::size_t limit = end; begin_ < limit; begin_ += step, limit = end) {
    before_batch(begin_);
    std::vector<std::uint32_t> rows = keys_.rows_of(share_, begin_, std::min(step, limit - begin_));
    counters_.rows_in += rows.size();
    count(stage_.counters[0].rows_in, rows.size());
    StepReport report;
    Batch batch = read(std::move(rows), report);
    if (auto row = task_->process(std::move(batch), std::move(report), begin_)) return row;
  }
  return std::nullopt;
}

RunCounters Pass::counters() const {
  RunCounters counters = counters_;
  counters.rows_out = rows_.size();
  return counters;
}

KeptRows Pass::take_rows() {
  KeptRows kept{std::move(rows_), {}};
  for (std::size_t f = 0; f < columns_.size(); ++f) {
    const bool untouched = stage_.resolved.output->fields[f].slot == no_slot;
    kept.columns.push_back(untouched ? Column() : columns_[f].finish());
  }
  return kept;
}

/// What is wrong with a row is what a run says of it: first that it cannot be read, then its fields, its
/// time, its key.
Batch Pass::read(std::vector<std::uint32_t> rows, StepReport& report) {
  Batch batch;
  batch.rows = std::move(rows);
  RowErrors errors;
  const std::size_t size = batch.size();
  const auto before = [](const RowErrors::Entry& entry, std::size_t row) { return entry.row < row; };
  auto entry = std::lower_bound(input_.bad.begin(), input_.bad.end(), begin_, before);
  for (std::size_t i = 0; i < size && entry != input_.bad.end(); ++i) {
    while (entry != input_.bad.end() && entry->row < begin_ + batch.rows[i]) ++entry;
    if (entry != input_.bad.end() && entry->row == begin_ + batch.rows[i])
      errors.add(i, entry->kind, entry->message);
  }
  batch.columns.resize(stage_.resolved.slots);
  for (const JsonField& field : stage_.resolved.reads[0].fields) {
    Column column = rows_of(input_, field.path, begin_, batch.rows);
    batch.columns[field.slot] = field.declared ? declared(field, column, errors) : std::move(column);
  }
  batch.event_time_ns.assign(size, 0);
  if (input_.timestamp) {
    const Column times = rows_of(input_, std::span(&*input_.timestamp, 1), begin_, batch.rows);
    batch.event_time_ns = input_.event_times(times, errors);
  }
  if (stage_.resolved.needs_keys) read_keys(batch, errors);
  report.add(std::move(errors), batch);
  return batch;
}

void Pass::read_keys(Batch& batch, RowErrors& errors) {
  batch.keys.assign(batch.size(), no_key);
  if (!keys_.known()) return;
  keys_.look_up(begin_, batch.rows, task_->keys(), batch.keys);
  for (std::size_t i = 0; i < batch.size(); ++i) {
    if (batch.keys[i] != no_key || !keys_.unusable(begin_ + batch.rows[i])) continue;
    const Column found = input_.column(std::span(&*input_.key, 1), begin_ + batch.rows[i], 1);
    errors.add(i, BadRowKind::key,
               fmt::format("wanted a string or an integer as the key in the column \"{}\", found {}",
                           *input_.key, describe(found, 0)));
  }
}

void Pass::collect(const Batch& batch) {
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

}  // namespace tiderace
