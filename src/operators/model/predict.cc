#include "operators/model/predict.h"

#include <algorithm>
#include <limits>

#include "columnar/function.h"
#include "operators/float_columns.h"

namespace tiderace {
namespace {

/// How often a shadow is called for one batch: what it fails on must not hold the rows up.
constexpr int most_shadow_calls = 16;

using Rows = std::vector<std::uint32_t>;
using Failed = std::vector<std::pair<std::size_t, std::string>>;  ///< rows of the matrix, and why

class PredictOperator final : public Operator {
 public:
  PredictOperator(const ResolvedStep& step, const TaskResources& resources)
      : step_(step),
        plan_(std::get<Predict>(step.node->step)),
        use_(step.model == no_model ? nullptr : &resources.models[step.model]),
        shadow_use_(step.shadow == no_model ? nullptr : &resources.models[step.shadow]) {}

  void process(Batch& batch, StepReport& report) override {
    RowErrors errors;
    const Rows rows = rows_to_predict(batch, errors);
    fill_matrix(batch, rows);
    ColumnBuilder results(batch.size());
    for (std::size_t i = 0; i < batch.size(); ++i) results.set_null(i);
    Failed failed;
    if (!rows.empty()) {
      const LoadedModelPtr version = use_ ? use_->current : nullptr;
      Model& model = model_of(plan_.model, version);
      call_in_parts(
          0, rows.size(),
          [&](std::size_t begin, std::size_t end) { return predict(model, rows, begin, end, results); },
          [&](std::size_t row, const std::string& why) { failed.emplace_back(row, why); });
      if (use_ && !failed.empty()) find_mended();
      if (use_ && use_->candidate) judge(*use_, plan_.model, failed, rows.size());
    }
    for (auto& [row, why] : failed) errors.add(rows[row], BadRowKind::model, std::move(why));
    batch.columns[step_.outputs[0]] = Column(std::move(results));
    if (!plan_.version_column.empty()) batch.columns[step_.outputs[1]] = version_column(batch.size(), rows);
    if (plan_.shadow) batch.columns[step_.outputs[2]] = shadow_column(batch.size(), rows, report);
    report.add(std::move(errors), batch);
  }

 private:
  static Model& model_of(const PlannedModel& planned, const LoadedModelPtr& version) {
    return version ? *version->methods.at(planned.method) : *planned.model;
  }

  Rows rows_to_predict(const Batch& batch, RowErrors& errors) const {
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
    Rows rows;
    for (std::uint32_t i = 0; i < batch.size(); ++i) {
      if (!left_out[i]) rows.push_back(i);
    }
    return rows;
  }

  void fill_matrix(const Batch& batch, const Rows& rows) {
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

  [[nodiscard]] FeatureMatrix features(std::span<const double> values) const {
    const std::size_t width = step_.inputs.size();
    return {values, values.size() / width, width, plan_.feature_names};
  }

  /// The rows [begin, end) of the matrix.
  std::optional<CallFailure> predict(Model& model, const Rows& rows, std::size_t begin, std::size_t end,
                                     ColumnBuilder& results) {
    const std::size_t width = step_.inputs.size();
    ColumnBuilder part(end - begin);
    const std::span<const double> values(matrix_.data() + begin * width, (end - begin) * width);
    auto failure = model.predict(features(values), part);
    if (failure) return failure;
    const Column predictions(std::move(part));
    for (std::size_t i = begin; i < end; ++i) results.copy(rows[i], predictions, i - begin);
    return std::nullopt;
  }

  /// Whether a version takes these rows, whatever it says of them.
  std::optional<CallFailure> dry_run(const LoadedModelPtr& version, const PlannedModel& planned,
                                     std::span<const double> values) const {
    ColumnBuilder ignored(features(values).rows);
    return model_of(planned, version).predict(features(values), ignored);
  }

  /// A version that takes all rows, also those that the present one fails on.
  void find_mended() {
    use_->mended_by = nullptr;
    if (use_->candidate && !dry_run(use_->candidate, plan_.model, matrix_)) use_->mended_by = use_->candidate;
    for (const LoadedModelPtr& spare : use_->spares) {
      if (!use_->mended_by && !dry_run(spare, plan_.model, matrix_)) use_->mended_by = spare;
    }
  }

  /// Judges a candidate by the rows that the present version takes, of `size`.
  void judge(ModelUse& use, const PlannedModel& planned, const Failed& failed, std::size_t size) const {
    auto failure = dry_run(use.candidate, planned, matrix_);
    if (failure && !failed.empty()) {
      const std::vector<double> kept = without(failed, size);
      if (kept.empty()) return;
      failure = dry_run(use.candidate, planned, kept);
    }
    if (failure)
      use.failure = failure->message;
    else
      use.tried = true;
  }

  /// The features of the rows that are not among `failed`.
  [[nodiscard]] std::vector<double> without(const Failed& failed, std::size_t size) const {
    std::vector<double> kept;
    const auto width = static_cast<std::ptrdiff_t>(step_.inputs.size());
    std::vector<bool> out(size, false);
    for (const auto& [row, why] : failed) out[row] = true;
    for (std::size_t row = 0; row < size; ++row) {
      const auto begin = matrix_.begin() + static_cast<std::ptrdiff_t>(row) * width;
      if (!out[row]) kept.insert(kept.end(), begin, begin + width);
    }
    return kept;
  }

  [[nodiscard]] Column version_column(std::size_t size, const Rows& rows) const {
    ColumnBuilder versions(size);
    for (std::size_t i = 0; i < size; ++i) versions.set_null(i);
    for (const std::uint32_t row : rows) versions.set_text(row, Kind::string, use_->current->version);
    return Column(std::move(versions));
  }

  /// What fails is tried in parts while there are calls left, and null after that.
  Column shadow_column(std::size_t size, const Rows& rows, StepReport& report) {
    ColumnBuilder results(size);
    for (std::size_t i = 0; i < size; ++i) results.set_null(i);
    if (!rows.empty()) {
      Model& shadow = model_of(*plan_.shadow, shadow_use_ ? shadow_use_->current : nullptr);
      int calls = most_shadow_calls;
      Failed failed;
      call_in_parts(
          0, rows.size(),
          [&](std::size_t begin, std::size_t end) -> std::optional<CallFailure> {
            if (calls-- <= 0) return CallFailure{"", true};
            return predict(shadow, rows, begin, end, results);
          },
          [&](std::size_t row, const std::string&) {
            results.set_null(rows[row]);
            ++report.shadow_failed;
            failed.emplace_back(row, std::string());
          });
      if (shadow_use_ && shadow_use_->candidate) judge(*shadow_use_, *plan_.shadow, failed, rows.size());
    }
    return Column(std::move(results));
  }

  const ResolvedStep& step_;
  const Predict& plan_;
  ModelUse* use_;
  ModelUse* shadow_use_;
  std::vector<double> matrix_;
};

}  // namespace

std::unique_ptr<Operator> make_predict(const ResolvedStep& step, const TaskResources& resources) {
  return std::make_unique<PredictOperator>(step, resources);
}

}  // namespace tiderace
