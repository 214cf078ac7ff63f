#include "runtime/task.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/logging.h"
#include "runtime/state_format.h"

namespace tiderace {

Task::Task(const RuntimeContext& context, Stage& stage, TopicPartition partition, Resources resources)
    : context_(context),
      stage_(stage),
      partition_(std::move(partition)),
      resources_(std::move(resources)),
      store_(std::move(resources_.store)),
      policy_(context, stage, resources_.producer),
      reader_(stage.resolved, &keys_),
      models_(stage, partition_, std::move(resources_.models)) {
  TaskResources lowering;
  lowering.store = &store_;
  lowering.keys = &keys_;
  lowering.producer = resources_.producer;
  lowering.models = models_.uses();
  lowering.sink = resources_.sink;
  lowering.print = context.print;
  if (context.options.state_ttl) lowering.state_ttl_ns = context.options.state_ttl->count();
  lowering.clock = context.clock;
  lowering.topic_config = [this](const std::string& topic) {
    TopicConfig unlimited;
    unlimited.max_message_bytes = INT64_MAX;
    const auto info = context_.log->topic(topic);
    return info ? info->config : unlimited;
  };
  operators_.resize(stage.resolved.steps.size());
  for (std::size_t i = 1; i < operators_.size(); ++i)
    operators_[i] = make_operator(stage.resolved, i, lowering);
}

std::optional<BadRow> Task::process(std::shared_ptr<const Records> records) {
  for (;;) {
    const std::vector<Record>& rows = records->rows;
    if (!rows.empty()) models_.reach(rows.front().offset);
    const auto swap = models_.next_swap();
    if (!swap || rows.empty() || rows.back().offset < *swap) return process_run(std::move(records));
    const auto at =
        std::find_if(rows.begin(), rows.end(), [&](const Record& row) { return row.offset >= *swap; });
    const auto before = static_cast<std::size_t>(at - rows.begin());
    if (auto stop = process_run(part_of(records, 0, before))) return stop;
    records = part_of(records, before, rows.size());
  }
}

std::optional<BadRow> Task::process_run(std::shared_ptr<const Records> records) {
  const std::int64_t begin_ns = context_.clock->steady_ns();
  input_ = records;
  StepReport report;
  const std::size_t rows = records->rows.size();
  Batch batch = reader_.read(records, report);
  stage_.unseen.note(batch);
  resources_.counters->rows_in += rows;
  count(stage_.counters[0].rows_in, rows);
  count(stage_.counters[0].nanoseconds, static_cast<std::uint64_t>(context_.clock->steady_ns() - begin_ns));
  auto stop = process(std::move(batch), std::move(report));
  position_ = records->next_offset;
  input_.reset();
  return stop;
}

std::optional<BadRow> Task::process(Batch batch, StepReport report, std::size_t first_row) {
  first_row_ = first_row;
  unflushed_ = true;
  late_.clear();
  bad_.clear();
  dead_letters_.clear();
  stop_.reset();
  mended_ = {};
  models_.begin_batch();
  settle(0, batch, report, stage_.resolved.steps[0].live);
  count(stage_.counters[0].rows_out, batch.size());
  for (const std::int64_t time : batch.event_time_ns) watermark_ns_ = std::max(watermark_ns_, time);
  run(0, std::move(batch));
  if (!stop_) {
    models_.end_batch();
    write_dead_letters();
    for (auto& op : operators_) {
      if (op) op->advance(watermark_ns_);
    }
  }
  return std::move(stop_);
}

void Task::run(std::size_t step, Batch batch) {
  for (;;) {
    if (batch.size() == 0 || stop_) return;
    const ResolvedStage& stage = stage_.resolved;
    if (stage.output && stage.output->step == step) resources_.collect(batch);
    const std::vector<std::size_t>& children = stage.steps[step].children;
    if (children.empty()) return;
    for (std::size_t i = 0; i + 1 < children.size(); ++i) {
      Batch copy = batch;  // columns are shared, not copied
      run_step(children[i], copy);
      run(children[i], std::move(copy));
      if (stop_) return;
    }
    step = children.back();
    run_step(step, batch);
  }
}

void Task::run_step(std::size_t step, Batch& batch) {
  const ResolvedStep& resolved = stage_.resolved.steps[step];
  StepCounters& counters = stage_.counters[step];
  const std::int64_t begin_ns = context_.clock->steady_ns();
  count(counters.rows_in, batch.size());
  StepReport report;
  if (resolved.needs_key) {
    add_keyless(resolved, batch, report);
    if (!report.bad.empty()) settle(step, batch, report, resolved.live_before);
    report = StepReport();
  }
  if (batch.size() > 0 && !stop_) operators_[step]->process(batch, report);
  settle(step, batch, report, resolved.live);
  count(counters.rows_out, batch.size());
  count(counters.nanoseconds, static_cast<std::uint64_t>(context_.clock->steady_ns() - begin_ns));
}

void Task::add_keyless(const ResolvedStep& step, const Batch& batch, StepReport& report) const {
  if (std::find(batch.keys.begin(), batch.keys.end(), no_key) == batch.keys.end()) return;
  RowErrors errors;
  for (std::size_t i = 0; i < batch.size(); ++i) {
    if (batch.keys[i] == no_key)
      errors.add(i, BadRowKind::key, "wanted a key, since " + step.text + " keeps state per key; found none");
  }
  report.add(std::move(errors), batch);
}

bool Task::mark(std::vector<bool>& rows, std::uint32_t row) const {
  if (rows.size() <= row)
    rows.resize(std::max<std::size_t>(row + 1, input_ ? input_->rows.size() : 0), false);
  const bool was = rows[row];
  rows[row] = true;
  return !was;
}

void Task::settle(std::size_t step, Batch& batch, StepReport& report, std::span<const Slot> live) {
  RunCounters& run = *resources_.counters;
  StepCounters& counters = stage_.counters[step];
  run.filtered += report.filtered;
  run.rows_out += report.written;
  run.bytes_written += report.written_bytes;
  run.not_finite += report.not_finite;
  count(counters.shadow_failed, report.shadow_failed);
  count(counters.late, report.late.size());
  for (const std::uint32_t row : report.late) run.late += mark(late_, row) ? 1 : 0;
  if (!report.late.empty()) log_late(step, report.late);
  if (report.bad.empty()) return;

  count(counters.bad, report.bad.size());
  std::sort(report.bad.begin(), report.bad.end(), [](const auto& a, const auto& b) { return a.row < b.row; });
  for (const RowErrors::Entry& entry : report.bad) {
    if (!mark(bad_, entry.row)) continue;
    BadRow row = bad_row(step, entry);
    const ErrorPolicy policy = policy_.decide(row);
    if (policy == ErrorPolicy::stop) {
      const std::size_t model = stage_.resolved.steps[step].model;
      if (row.kind == BadRowKind::model && model != no_model)
        mended_ = {model, models_.uses()[model].mended_by};
      stop_ = std::move(row);
      return;
    }
    ++run.bad;
    log_bad(row, policy);
    if (policy == ErrorPolicy::dead_letter && input_) dead_letters_.emplace_back(entry.row, std::move(row));
  }
  std::vector<std::uint32_t> kept;
  kept.reserve(batch.size());
  auto next = report.bad.begin();
  for (std::uint32_t i = 0; i < batch.size(); ++i) {
    while (next != report.bad.end() && next->row < batch.rows[i]) ++next;
    if (next == report.bad.end() || next->row != batch.rows[i]) kept.push_back(i);
  }
  if (kept.size() != batch.size()) batch.keep(kept, live);
}

void Task::log_late(std::size_t step, std::span<const std::uint32_t> rows) {
  const std::uint64_t events = late_pace_.note(rows.size(), context_.clock->steady_ns());
  if (events == 0) return;
  const Record* const record = input_record(rows.back());
  log(LogLevel::warning,
      "{}: late rows: {}, the last at {} {}, step {} {}; grace= waits longer for them, on_late= says where "
      "they "
      "go",
      input_ ? fmt::format("{} partition {}", partition_.topic, partition_.partition) : "backtest", events,
      input_ ? "offset" : "row",
      record != nullptr ? record->offset : static_cast<std::int64_t>(first_row_ + rows.back()), step,
      stage_.resolved.steps[step].text);
}

void Task::log_bad(const BadRow& row, ErrorPolicy policy) {
  const std::uint64_t events = bad_pace_.note(1, context_.clock->steady_ns());
  if (events == 0) return;
  log(LogLevel::warning, "bad rows {}: {}, the last: {}",
      policy == ErrorPolicy::skip ? "skipped" : "sent to the dead letters", events, row.to_string());
}

/// In the order of the rows, whichever steps found them bad, so that it does not depend on how rows were
/// batched.
void Task::write_dead_letters() {
  std::sort(dead_letters_.begin(), dead_letters_.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  for (const auto& [row, letter] : dead_letters_) policy_.write_dead_letter(letter, input_->rows[row]);
}

BadRow Task::bad_row(std::size_t step, const RowErrors::Entry& entry) const {
  BadRow row;
  row.kind = entry.kind;
  row.step = fmt::format("step {} {}", step, stage_.resolved.steps[step].text);
  row.topic = partition_.topic;
  row.partition = partition_.partition;
  row.offset = static_cast<std::int64_t>(first_row_ + entry.row);
  row.message = entry.message;
  if (const Record* record = input_record(entry.row)) {
    row.offset = record->offset;
    if (record->key != nullptr) row.key = std::string(record->key_view());
    if (record->value != nullptr) row.value = std::string(record->value_view());
  }
  return row;
}

const Record* Task::input_record(std::uint32_t row) const noexcept {
  return input_ ? &input_->rows[row] : nullptr;
}

const std::vector<Change>& Task::flush(std::vector<Change> first) {
  for (auto& op : operators_) {
    if (op) op->flush(first);
  }
  models_.flush(first, position_, context_.clock->steady_ns());
  first.push_back(position_change(position_));
  flushed_position_ = position_;
  flushed_ms_ = context_.clock->wall_ms();
  unflushed_ = false;
  return store_.put_in_front(std::move(first));
}

void Task::committed(std::int64_t changelog_offset) {
  models_.committed();
  store_.take_front({changelog_offset, flushed_position_, flushed_ms_});
}

void Task::trim(std::size_t limit_bytes) {
  keys_.trim(unflushed_ ? SIZE_MAX : limit_bytes);
}

}  // namespace tiderace
