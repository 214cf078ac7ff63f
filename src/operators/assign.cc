#include "operators/assign.h"

namespace tiderace {
namespace {

class AssignOperator final : public Operator {
 public:
  explicit AssignOperator(const ResolvedStep& step) : step_(step) {}

  void process(Batch& batch, StepReport& report) override {
    RowErrors errors;
    batch.columns[step_.outputs[0]] = step_.evaluator->evaluate(batch, errors);
    report.add(std::move(errors), batch);
  }

 private:
  const ResolvedStep& step_;
};

}  // namespace

std::unique_ptr<Operator> make_assign(const ResolvedStep& step) {
  return std::make_unique<AssignOperator>(step);
}

}  // namespace tiderace
