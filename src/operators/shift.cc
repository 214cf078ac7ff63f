#include "operators/shift.h"

#include "operators/float_columns.h"
#include "state/shift_store.h"

namespace tiderace {
namespace {

class ShiftOperator final : public Operator {
 public:
  ShiftOperator(const ResolvedStep& step, const TaskResources& resources)
      : step_(step),
        plan_(std::get<Shift>(step.node->step)),
        store_({step.state, plan_.periods, plan_.difference, resources.state_ttl_ns}, *resources.store,
               *resources.keys) {}

  void process(Batch& batch, StepReport& report) override {
    take_out_bad(batch, report);
    if (batch.size() == 0) return;
    ColumnBuilder results(batch.size());
    store_.process(batch.keys, batch.event_time_ns, batch.columns[step_.inputs[0]], results);
    batch.columns[step_.outputs[0]] = Column(std::move(results));
  }

  void flush(std::vector<Change>& changes) override {
    store_.flush(changes);
    if (expiry_.due()) store_.expire(changes);
  }

 private:
  /// A difference is of numbers; a shift is of any value that can be used.
  void take_out_bad(Batch& batch, StepReport& report) const {
    RowErrors errors;
    const Column& values = batch.columns[step_.inputs[0]];
    if (plan_.difference)
      check_numbers(values, step_.input_kinds[0], NumberUse::as_they_are, errors);
    else
      check_valid(values, errors);
    if (errors.empty()) return;
    const std::vector<std::uint32_t> kept = errors.good_rows(batch.size());
    report.add(std::move(errors), batch);
    batch.keep(kept, step_.live_before);
  }

  const ResolvedStep& step_;
  const Shift& plan_;
  ShiftStore store_;
  ExpirySchedule expiry_;
};

}  // namespace

std::unique_ptr<Operator> make_shift(const ResolvedStep& step, const TaskResources& resources) {
  return std::make_unique<ShiftOperator>(step, resources);
}

}  // namespace tiderace
