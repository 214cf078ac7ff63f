#include "operators/filter.h"

namespace tiderace {
namespace {

class FilterOperator final : public Operator {
 public:
  explicit FilterOperator(const ResolvedStep& step) : step_(step) {}

  void process(Batch& batch, StepReport& report) override {
    RowErrors errors;
    const Column condition = step_.evaluator->evaluate(batch, errors);
    const std::vector<std::uint32_t> kept = true_rows(condition, errors);
    const std::size_t before = batch.size();
    const std::size_t bad_before = report.bad.size();
    report.add(std::move(errors), batch);
    report.filtered += before - kept.size() - (report.bad.size() - bad_before);
    if (kept.size() != before) batch.keep(kept, step_.live);
  }

 private:
  const ResolvedStep& step_;
};

}  // namespace

std::unique_ptr<Operator> make_filter(const ResolvedStep& step) {
  return std::make_unique<FilterOperator>(step);
}

}  // namespace tiderace
