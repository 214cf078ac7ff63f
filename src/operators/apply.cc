#include "operators/apply.h"

#include <fmt/format.h>

#include "columnar/describe.h"
#include "columnar/function.h"
#include "formats/json/encoder.h"
#include "operators/float_columns.h"
#include "operators/reader.h"
#include "state/function_state_store.h"

namespace tiderace {
namespace {

class ApplyRowOperator final : public Operator {
 public:
  ApplyRowOperator(const ResolvedStage& stage, const ResolvedStep& step, const TaskResources& resources)
      : step_(step), plan_(std::get<ApplyRow>(step.node->step)), encoder_(step.layout, NotFinite::as_word) {
    if (plan_.stateful) {
      state_ = std::make_unique<FunctionStateStore>(FunctionStateOptions{step.state, resources.state_ttl_ns},
                                                    *resources.store, *resources.keys);
    }
    if (step.reads != SIZE_MAX) decoder_.emplace(decoder_options(stage, step.reads));
  }

  void process(Batch& batch, StepReport& report) override {
    RowErrors errors;
    encoder_.encode(batch, encoded_, errors);
    if (!errors.empty()) {
      take_out(batch, std::move(errors), report);
      if (batch.size() == 0) return;
      encoder_.encode(batch, encoded_, errors);
    }
    std::vector<std::string_view> rows(batch.size());
    for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = encoded_.row(i);
    ColumnBuilder builder(batch.size());
    if (state_) state_->begin_batch(batch.event_time_ns);
    report.not_finite += plan_.function->call(rows, batch.keys, state_.get(), builder, errors);
    use(batch, Column(std::move(builder)), errors, report);
  }

  void flush(std::vector<Change>& changes) override {
    if (!state_) return;
    state_->flush(changes);
    if (expiry_.due()) state_->expire(changes);
  }

 private:
  void take_out(Batch& batch, RowErrors&& errors, StepReport& report) const {
    const std::vector<std::uint32_t> kept = errors.good_rows(batch.size());
    report.add(std::move(errors), batch);
    batch.keep(kept, step_.live_before);
  }

  void use(Batch& batch, Column results, RowErrors& errors, StepReport& report) {
    switch (plan_.mode) {
      case RowMode::value:
        batch.columns[step_.outputs[0]] = std::move(results);
        report.add(std::move(errors), batch);
        return;
      case RowMode::filter:
        return filter(batch, results, errors, report);
      case RowMode::replace:
      case RowMode::update:
        return replace(batch, results, errors, report);
    }
  }

  void filter(Batch& batch, const Column& results, RowErrors& errors, StepReport& report) {
    const std::size_t before = batch.size();
    const std::vector<std::uint32_t> kept = true_rows(results, errors);
    const std::size_t bad_before = report.bad.size();
    report.add(std::move(errors), batch);
    report.filtered += before - kept.size() - (report.bad.size() - bad_before);
    if (kept.size() != before) batch.keep(kept, step_.live);
  }

  void replace(Batch& batch, const Column& results, RowErrors& errors, StepReport& report) {
    const std::vector<bool> failed = errors.rows(batch.size());
    for (std::size_t i = 0; i < batch.size(); ++i) {
      const bool object = results.kind(i) == Kind::nested && results.text(i).starts_with('{');
      if (!object && (failed.empty() || !failed[i])) {
        errors.add(i, BadRowKind::function,
                   fmt::format("{} has to return the new row as a dict, found {}", plan_.function_name,
                               describe(results, i)));
      }
    }
    const std::vector<std::uint32_t> kept = errors.good_rows(batch.size());
    report.add(std::move(errors), batch);
    batch.columns.clear();
    batch.keep(kept, {});
    if (kept.empty()) return;
    std::vector<std::string_view> values(kept.size());
    for (std::size_t i = 0; i < kept.size(); ++i) values[i] = results.text(kept[i]);
    replace_raw_rows(batch, values, BadRowKind::function, *decoder_, report);
  }

  const ResolvedStep& step_;
  const ApplyRow& plan_;
  JsonEncoder encoder_;
  EncodedRows encoded_;
  std::unique_ptr<FunctionStateStore> state_;
  ExpirySchedule expiry_;
  std::optional<JsonDecoder> decoder_;
};

class ApplyValueOperator final : public Operator {
 public:
  explicit ApplyValueOperator(const ResolvedStep& step)
      : step_(step), plan_(std::get<ApplyValue>(step.node->step)) {}

  void process(Batch& batch, StepReport& report) override {
    RowErrors errors;
    const Column& values = batch.columns[step_.inputs[0]];
    check_valid(values, errors);
    ColumnBuilder builder(batch.size());
    report.not_finite += plan_.function->call(values, builder, errors);
    batch.columns[step_.outputs[0]] = Column(std::move(builder));
    report.add(std::move(errors), batch);
  }

 private:
  const ResolvedStep& step_;
  const ApplyValue& plan_;
};

}  // namespace

std::unique_ptr<Operator> make_apply_row(const ResolvedStage& stage, const ResolvedStep& step,
                                         const TaskResources& resources) {
  return std::make_unique<ApplyRowOperator>(stage, step, resources);
}

std::unique_ptr<Operator> make_apply_value(const ResolvedStep& step) {
  return std::make_unique<ApplyValueOperator>(step);
}

}  // namespace tiderace
