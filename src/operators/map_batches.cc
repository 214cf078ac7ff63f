#include "operators/map_batches.h"

#include <fmt/format.h>

#include <optional>

#include "columnar/function.h"
#include "formats/json/encoder.h"
#include "operators/float_columns.h"
#include "operators/reader.h"

namespace tiderace {
namespace {

class MapBatchesOperator final : public Operator {
 public:
  MapBatchesOperator(const ResolvedStage& stage, const ResolvedStep& step)
      : step_(step), plan_(std::get<MapBatches>(step.node->step)) {
    if (step.reads != SIZE_MAX) decoder_.emplace(decoder_options(stage, step.reads));
  }

  void process(Batch& batch, StepReport& report) override {
    RowErrors errors;
    std::vector<NamedColumn> columns;
    for (std::size_t c = 0; c < step_.inputs.size(); ++c) {
      const KindMask known = step_.input_kinds[c];
      columns.push_back({plan_.columns[c], handed_over(batch.columns[step_.inputs[c]], known, errors),
                         kind_when_empty(known)});
    }
    if (!errors.empty()) keep_good(batch, columns, std::move(errors), report);
    if (batch.size() == 0) return;
    parts_.clear();
    call_in_parts(
        0, batch.size(), [&](std::size_t begin, std::size_t end) { return call(columns, begin, end); },
        [&](std::size_t row, const std::string& why) { errors.add(row, BadRowKind::function, why); });
    if (!errors.empty()) {
      const std::vector<std::uint32_t> kept = errors.good_rows(batch.size());
      report.add(std::move(errors), batch);
      batch.keep(kept, step_.live_before);
    }
    drop_unusable(batch, report);
    if (batch.size() > 0) use_results(batch, report);
  }

 private:
  void keep_good(Batch& batch, std::vector<NamedColumn>& columns, RowErrors&& errors,
                 StepReport& report) const {
    const std::vector<std::uint32_t> kept = errors.good_rows(batch.size());
    report.add(std::move(errors), batch);
    batch.keep(kept, step_.live_before);
    for (NamedColumn& column : columns) column.column = column.column.take(kept);
    errors = RowErrors();
  }

  /// Calls the function for the rows [begin, end). Good parts go to `parts_` in order.
  std::optional<CallFailure> call(const std::vector<NamedColumn>& columns, std::size_t begin,
                                  std::size_t end) {
    std::vector<NamedColumn> part;
    for (const NamedColumn& column : columns)
      part.push_back({column.name, column.column.slice(begin, end - begin), column.when_empty});
    std::vector<NamedColumn> results;
    if (auto failure = plan_.function->call(part, results)) return failure;
    if (auto wrong = wrong_shape(results, end - begin)) return CallFailure{std::move(*wrong), true};
    parts_.push_back(std::move(results));
    return std::nullopt;
  }

  std::optional<std::string> wrong_shape(const std::vector<NamedColumn>& results, std::size_t rows) const {
    if (!plan_.output.empty() && results.size() != 1) {
      return fmt::format("{} has to return one column for \"{}\", found {}", plan_.function_name,
                         plan_.output, results.size());
    }
    if (results.empty() && rows > 0)
      return fmt::format("{} has to return at least one column, found none", plan_.function_name);
    for (const NamedColumn& result : results) {
      if (result.column.size() == rows) continue;
      return fmt::format("{} has to return a value for each of the {} rows, found {} in the column \"{}\"",
                         plan_.function_name, rows, result.column.size(), result.name);
    }
    return std::nullopt;
  }

  /// A value in the results that no expression could use makes its row bad here, where it comes from.
  void drop_unusable(Batch& batch, StepReport& report) {
    RowErrors errors;
    std::size_t begin = 0;
    for (std::vector<NamedColumn>& part : parts_) {
      const std::size_t size = part.empty() ? 0 : part[0].column.size();
      RowErrors found;
      for (const NamedColumn& column : part) check_valid(column.column, found);
      if (!found.empty()) {
        const std::vector<std::uint32_t> kept = found.good_rows(size);
        for (NamedColumn& column : part) column.column = column.column.take(kept);
        for (RowErrors::Entry& entry : found.take())
          errors.add(begin + entry.row, entry.kind, std::move(entry.message));
      }
      begin += size;
    }
    if (errors.empty()) return;
    const std::vector<std::uint32_t> kept = errors.good_rows(batch.size());
    report.add(std::move(errors), batch);
    batch.keep(kept, step_.live_before);
  }

  void use_results(Batch& batch, StepReport& report) {
    if (!plan_.output.empty()) {
      std::vector<Column> columns;
      for (const auto& part : parts_) columns.push_back(part[0].column);
      batch.columns[step_.outputs[0]] = concatenate(columns);
      return;
    }
    std::vector<std::string> rows;
    rows.reserve(batch.size());
    for (const auto& part : parts_) append_rows(part, rows);
    const std::vector<std::string_view> views(rows.begin(), rows.end());
    replace_raw_rows(batch, views, BadRowKind::function, *decoder_, report);
  }

  static void append_rows(const std::vector<NamedColumn>& part, std::vector<std::string>& rows) {
    const std::size_t size = part.empty() ? 0 : part[0].column.size();
    for (std::size_t i = 0; i < size; ++i) {
      std::string row = "{";
      for (const NamedColumn& column : part) {
        if (row.size() > 1) row += ',';
        append_json_string(row, column.name);
        row += ':';
        append_json_value(row, column.column, i, NotFinite::as_null);
      }
      rows.push_back(row + '}');
    }
  }

  const ResolvedStep& step_;
  const MapBatches& plan_;
  std::optional<JsonDecoder> decoder_;
  std::vector<std::vector<NamedColumn>> parts_;
};

}  // namespace

std::unique_ptr<Operator> make_map_batches(const ResolvedStage& stage, const ResolvedStep& step) {
  return std::make_unique<MapBatchesOperator>(stage, step);
}

}  // namespace tiderace
