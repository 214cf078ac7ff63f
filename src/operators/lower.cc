#include "operators/lower.h"

#include "base/error.h"
#include "operators/apply.h"
#include "operators/assign.h"
#include "operators/filter.h"
#include "operators/map_batches.h"
#include "operators/model/predict.h"
#include "operators/print.h"
#include "operators/rolling.h"
#include "operators/shift.h"
#include "operators/to_topic.h"

namespace tiderace {
namespace {

/// One overload a kind of step, so that a new kind does not compile until it is lowered here.
struct Lowering {
  const ResolvedStage& stage;
  const ResolvedStep& step;
  const TaskResources& resources;

  using Result = std::unique_ptr<Operator>;
  [[noreturn]] static Result no_operator() {
    invariant_failed("the step has an operator", __FILE__, __LINE__);
  }

  Result operator()(const Source&) const { no_operator(); }
  Result operator()(const Project&) const { no_operator(); }
  Result operator()(const Drop&) const { no_operator(); }
  Result operator()(const Rename&) const { no_operator(); }
  Result operator()(const Filter&) const { return make_filter(step); }
  Result operator()(const Assign&) const { return make_assign(step); }
  Result operator()(const Rolling&) const { return make_rolling(step, resources); }
  Result operator()(const Shift&) const { return make_shift(step, resources); }
  Result operator()(const ApplyRow&) const { return make_apply_row(stage, step, resources); }
  Result operator()(const ApplyValue&) const { return make_apply_value(step); }
  Result operator()(const MapBatches&) const { return make_map_batches(stage, step); }
  Result operator()(const Predict&) const { return make_predict(step, resources); }
  Result operator()(const ToTopic&) const { return make_to_topic(step, resources); }
  Result operator()(const Print&) const { return make_print(step, resources); }
};

}  // namespace

std::unique_ptr<Operator> make_operator(const ResolvedStage& stage, std::size_t index,
                                        const TaskResources& resources) {
  const ResolvedStep& step = stage.steps[index];
  return std::visit(Lowering{stage, step, resources}, step.node->step);
}

}  // namespace tiderace
