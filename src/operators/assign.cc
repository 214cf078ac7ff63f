#include "operators/assign.h"

#include <fmt/format.h>

#include "columnar/describe.h"

namespace tiderace {
namespace {

class AssignOperator final : public Operator {
 public:
  explicit AssignOperator(const ResolvedStep& step) : step_(step) {}

  void process(Batch& batch, StepReport& report) override {
    RowErrors errors;
    const Column values = step_.evaluator->evaluate(batch, errors);
    if (step_.int64_only && (values.mask() & mask_of(Kind::float64)) != 0) refuse_floats(values, errors);
    batch.columns[step_.outputs[0]] = values;
    report.add(std::move(errors), batch);
  }

 private:
  static void refuse_floats(const Column& values, RowErrors& errors) {
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (values.kind(i) != Kind::float64) continue;
      errors.add(i, BadRowKind::range,
                 fmt::format("wanted an int64, as the column is declared, found {}", describe(values, i)));
    }
  }

  const ResolvedStep& step_;
};

}  // namespace

std::unique_ptr<Operator> make_assign(const ResolvedStep& step) {
  return std::make_unique<AssignOperator>(step);
}

}  // namespace tiderace
