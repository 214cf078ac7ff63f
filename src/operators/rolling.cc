#include "operators/rolling.h"

#include <algorithm>
#include <optional>

#include "columnar/function.h"
#include "operators/float_columns.h"
#include "operators/to_topic.h"
#include "state/rolling_store.h"

namespace tiderace {
namespace {

RollingOptions store_options(const ResolvedStep& step, const TaskResources& resources) {
  const Rolling& first = step.merged.front();
  RollingOptions options;
  options.step = step.state;
  options.by_time = first.by_time;
  options.width = first.window;
  options.grace = first.grace_ns;
  options.ttl = resources.state_ttl_ns;
  options.columns = first.columns.size();
  for (const Rolling& rolling : step.merged) {
    for (const Rolling::Output& output : rolling.outputs) {
      options.outputs.push_back({output.column, output.aggregate, rolling.min_periods, rolling.ddof});
    }
  }
  return options;
}

/// Where late rows go when they are not simply kept.
class LateRows {
 public:
  LateRows(const ResolvedStep& step, const TaskResources& resources) : on_late_(step.merged.front().on_late) {
    if (const auto* topic = std::get_if<std::shared_ptr<const Topic>>(&on_late_)) {
      if (resources.producer != nullptr) writer_.emplace((*topic)->name, step, resources);
    } else if (std::holds_alternative<std::shared_ptr<RowFunction>>(on_late_)) {
      encoder_.emplace(step.layout, NotFinite::as_word);
    }
  }

  [[nodiscard]] bool stay() const noexcept { return std::holds_alternative<KeepLate>(on_late_); }

  /// `batch` holds the late rows alone.
  void take(Batch&& batch, StepReport& report) {
    RowErrors errors;
    if (writer_) {
      writer_->write(batch, nullptr, errors, report);
    } else if (encoder_) {
      EncodedRows encoded;
      encoder_->encode(batch, encoded, errors);
      std::vector<std::string_view> rows(batch.size());
      for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = encoded.row(i);
      ColumnBuilder ignored(batch.size());
      const auto& function = std::get<std::shared_ptr<RowFunction>>(on_late_);
      static_cast<void>(function->call(rows, {}, nullptr, ignored, errors));
    }
    report.add(std::move(errors), batch);
  }

 private:
  const OnLate& on_late_;
  std::optional<RowWriter> writer_;
  std::optional<JsonEncoder> encoder_;
};

class RollingOperator final : public Operator {
 public:
  RollingOperator(const ResolvedStep& step, const TaskResources& resources)
      : step_(step),
        store_(store_options(step, resources), *resources.store, *resources.keys),
        late_rows_(step, resources) {
    for (const Rolling& rolling : step.merged) {
      for (const Rolling::Output& output : rolling.outputs) {
        const bool floats = output.aggregate == Aggregate::mean || output.aggregate == Aggregate::std ||
                            output.aggregate == Aggregate::var;
        if (use_.empty()) use_.resize(rolling.columns.size(), NumberUse::as_they_are);
        if (floats) use_[output.column] = NumberUse::as_float64;
      }
    }
  }

  void process(Batch& batch, StepReport& report) override {
    take_out_bad(batch, report);
    if (batch.size() == 0) return;
    std::vector<Column> values;
    for (const Slot slot : step_.inputs) values.push_back(batch.columns[slot]);
    std::vector<ColumnBuilder> results;
    results.reserve(step_.outputs.size());
    for (std::size_t i = 0; i < step_.outputs.size(); ++i) results.emplace_back(batch.size());
    if (late_.size() < batch.size()) late_ = Buffer<bool>(batch.size());
    const std::span<bool> late(late_.data(), batch.size());
    store_.process(batch.keys, batch.event_time_ns, values, results, late);
    for (std::size_t i = 0; i < results.size(); ++i)
      batch.columns[step_.outputs[i]] = Column(std::move(results[i]));
    if (std::find(late.begin(), late.end(), true) != late.end()) settle_late(batch, late, report);
  }

  void flush(std::vector<Change>& changes) override {
    store_.flush(changes);
    if (expiry_.due()) store_.expire(changes);
  }

 private:
  /// Rows with what is no number never enter a window.
  void take_out_bad(Batch& batch, StepReport& report) const {
    RowErrors errors;
    for (std::size_t c = 0; c < step_.inputs.size(); ++c) {
      check_numbers(batch.columns[step_.inputs[c]], step_.input_kinds[c], use_[c], errors);
    }
    if (errors.empty()) return;
    const std::vector<std::uint32_t> kept = errors.good_rows(batch.size());
    report.add(std::move(errors), batch);
    batch.keep(kept, step_.live_before);
  }

  void settle_late(Batch& batch, std::span<const bool> late, StepReport& report) {
    std::vector<std::uint32_t> in_time;
    std::vector<std::uint32_t> too_late;
    for (std::uint32_t i = 0; i < batch.size(); ++i) (late[i] ? too_late : in_time).push_back(i);
    for (const std::uint32_t i : too_late) report.late.push_back(batch.rows[i]);
    if (late_rows_.stay()) return;
    Batch gone = batch;
    gone.keep(too_late, step_.live_before);
    late_rows_.take(std::move(gone), report);
    batch.keep(in_time, step_.live);
  }

  const ResolvedStep& step_;
  RollingStore store_;
  LateRows late_rows_;
  std::vector<NumberUse> use_;  ///< by input
  Buffer<bool> late_;
  ExpirySchedule expiry_;
};

}  // namespace

std::unique_ptr<Operator> make_rolling(const ResolvedStep& step, const TaskResources& resources) {
  return std::make_unique<RollingOperator>(step, resources);
}

}  // namespace tiderace
