#include "operators/predict.h"

#include <limits>
#include <numeric>

#include "columnar/function.h"
#include "operators/float_columns.h"

namespace tiderace {
namespace {

class PredictOperator final : public Operator {
 public:
  explicit PredictOperator(const ResolvedStep& step)
      : step_(step), plan_(std::get<Predict>(step.node->step)) {}

  void process(Batch& batch, StepReport& report) override {
    RowErrors errors;
    const std::vector<std::uint32_t> rows = rows_to_predict(batch, errors);
    fill_matrix(batch, rows);
    ColumnBuilder results(batch.size());
    for (std::size_t i = 0; i < batch.size(); ++i) results.set_null(i);
    if (!rows.empty()) {
      call_in_parts(
          0, rows.size(),
          [&](std::size_t begin, std::size_t end) { return predict(rows, begin, end, results); },
          [&](std::size_t row, const std::string& why) { errors.add(rows[row], BadRowKind::model, why); });
    }
    batch.columns[step_.outputs[0]] = Column(std::move(results));
    report.add(std::move(errors), batch);
  }

 private:
  std::vector<std::uint32_t> rows_to_predict(const Batch& batch, RowErrors& errors) const {
    RowErrors found;
    std::vector<bool> left_out(batch.size(), false);
    for (std::size_t c = 0; c < step_.inputs.size(); ++c) {
      const Column& column = batch.columns[step_.inputs[c]];
      check_numbers(column, step_.input_kinds[c], NumberUse::as_float64, found);
      if (plan_.pass_nulls || !column.has_null()) continue;
      for (std::size_t i = 0; i < batch.size(); ++i) {
        if (column.is_null(i)) left_out[i] = true;
      }
    }
    for (RowErrors::Entry& entry : found.take()) {
      left_out[entry.row] = true;
      errors.add(entry.row, entry.kind, std::move(entry.message));
    }
    std::vector<std::uint32_t> rows;
    for (std::uint32_t i = 0; i < batch.size(); ++i) {
      if (!left_out[i]) rows.push_back(i);
    }
    return rows;
  }

  void fill_matrix(const Batch& batch, const std::vector<std::uint32_t>& rows) {
    const std::size_t width = step_.inputs.size();
    matrix_.resize(rows.size() * width);
    for (std::size_t c = 0; c < width; ++c) {
      const Column& column = batch.columns[step_.inputs[c]];
      for (std::size_t i = 0; i < rows.size(); ++i) {
        matrix_[i * width + c] =
            column.is_null(rows[i]) ? std::numeric_limits<double>::quiet_NaN() : column.as_double(rows[i]);
      }
    }
  }

  /// The rows [begin, end) of the matrix.
  std::optional<CallFailure> predict(const std::vector<std::uint32_t>& rows, std::size_t begin,
                                     std::size_t end, ColumnBuilder& results) {
    const std::size_t width = step_.inputs.size();
    ColumnBuilder part(end - begin);
    const std::span<const double> values(matrix_.data() + begin * width, (end - begin) * width);
    auto failure = plan_.model->predict({values, end - begin, width, plan_.feature_names}, part);
    if (failure) return failure;
    const Column predictions(std::move(part));
    for (std::size_t i = begin; i < end; ++i) results.copy(rows[i], predictions, i - begin);
    return std::nullopt;
  }

  const ResolvedStep& step_;
  const Predict& plan_;
  std::vector<double> matrix_;
};

}  // namespace

std::unique_ptr<Operator> make_predict(const ResolvedStep& step) {
  return std::make_unique<PredictOperator>(step);
}

}  // namespace tiderace
