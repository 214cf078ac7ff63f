#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "plan/pipeline.h"
#include "plan/series.h"

namespace tiderace {
struct Feature;
}

namespace tiderace::plan {

class RollingFrame;

/// What a row function is and how it is called.
struct RowFunctionOptions {
  std::string function_name = "function";
  bool stateful = false;
  std::string name = {};  ///< of the state; empty: `apply(function_name)`
};

/// What is done with a model beside its prediction.
struct PredictOptions {
  bool pass_nulls = false;
  std::string version_column = {};          ///< empty: none
  std::optional<PlannedModel> shadow = {};  ///< a second model, on the same rows
  std::string shadow_column = {};  ///< of its predictions; empty: where the prediction goes, and `-shadow`
};

/// The rows that a plan gives at one point. An immutable value: every method returns another frame;
/// `to_topic` and `print` act where they stand. Everything that cannot be throws Error{plan} at once, naming
/// the step.
class Frame {
 public:
  Frame(std::shared_ptr<Pipeline> pipeline, NodePtr node)
      : pipeline_(std::move(pipeline)), node_(std::move(node)) {}

  [[nodiscard]] const NodePtr& node() const noexcept { return node_; }
  [[nodiscard]] const std::shared_ptr<Pipeline>& pipeline() const noexcept { return pipeline_; }
  [[nodiscard]] std::shared_ptr<const NodeSchema> schema() const { return pipeline_->schemas().of(node_); }

  [[nodiscard]] Series column(const std::string& name) const;
  [[nodiscard]] Frame project(std::vector<std::string> columns) const;
  [[nodiscard]] Frame filter(const Series& mask) const;
  [[nodiscard]] Frame assign(const std::string& name, const Series& value) const;
  /// `sdf["y"] = sdf.apply(f)`, `sdf["y"] = sdf[["a", "b"]].map_batches(f)`, and a frame of one column.
  [[nodiscard]] Frame assign(const std::string& name, const Frame& value) const;
  /// `sdf[["m", "n"]] = sdf[["a", "b"]].rolling("10s").mean()`: column by column, in order.
  [[nodiscard]] Frame assign(const std::vector<std::string>& names, const Frame& values) const;
  [[nodiscard]] Frame drop(std::vector<std::string> columns) const;
  [[nodiscard]] Frame rename(std::vector<std::pair<std::string, std::string>> columns) const;
  /// Over every column of a projection at once, in one walk.
  [[nodiscard]] RollingFrame rolling(const Window& window, const RollingOptions& options = {}) const;

  [[nodiscard]] Frame apply(std::shared_ptr<RowFunction> function, const RowFunctionOptions& options) const;
  [[nodiscard]] Frame filter(std::shared_ptr<RowFunction> function, const RowFunctionOptions& options) const;
  [[nodiscard]] Frame update(std::shared_ptr<RowFunction> function, const RowFunctionOptions& options) const;
  [[nodiscard]] Frame map_batches(std::shared_ptr<BatchFunction> function,
                                  const std::string& function_name) const;
  /// The model's value for every row; the columns of this frame, a projection, are its features.
  [[nodiscard]] Series predict(PlannedModel model, PredictOptions options = {}) const;

  /// Writes the rows of this frame; returns it.
  Frame to_topic(std::shared_ptr<const Topic> topic,
                 const std::optional<std::string>& key = {}) const;  // NOLINT(modernize-use-nodiscard)
  Frame to_topic(std::shared_ptr<const Topic> topic,
                 const Series& key) const;  // NOLINT(modernize-use-nodiscard)
  /// `sdf.to_topic(topic, key=sdf.apply(f))`.
  Frame to_topic(std::shared_ptr<const Topic> topic,
                 const Frame& key) const;                         // NOLINT(modernize-use-nodiscard)
  Frame print(std::int64_t width = 15, bool live = false) const;  // NOLINT(modernize-use-nodiscard)

 private:
  friend class RollingFrame;
  /// The columns of this frame as series of one frame: of this one, or of the one that it was selected from.
  struct Selection {
    std::vector<std::string> names;
    std::vector<Series> columns;
  };

  [[nodiscard]] Frame after(const NodePtr& node) const { return pipeline_->frame(node); }
  [[nodiscard]] Selection own_columns(const std::string& wanted_by) const;
  [[nodiscard]] std::vector<Selection> selections(const std::string& wanted_by) const;
  [[nodiscard]] static std::vector<Feature> features_of(const Selection& selection);
  /// Throws Error where the model was trained on others than `features`.
  static void check_features(const PlannedModel& model, const std::vector<Feature>& features);
  [[nodiscard]] std::string unique_name(const PlannedModel& model) const;
  [[nodiscard]] Frame assign_all(const std::vector<std::string>& names,
                                 const std::vector<Series>& values) const;
  [[nodiscard]] Frame row_function(std::shared_ptr<RowFunction> function, const RowFunctionOptions& options,
                                   RowMode mode) const;
  [[nodiscard]] Frame write(std::shared_ptr<const Topic> topic, const NodePtr& node,
                            std::optional<ColumnReference> key) const;

  std::shared_ptr<Pipeline> pipeline_;
  NodePtr node_;
  std::vector<Selection> selections_;  ///< of a projection and what is computed from all its columns at once
  std::optional<Series> as_series_;    ///< of the result of a function: the same as one column
};

/// `sdf[["a", "b"]].rolling("10s")`.
class RollingFrame {
 public:
  /// A frame of the same columns with their aggregates in them.
  [[nodiscard]] Frame aggregate(Aggregate aggregate, std::int64_t ddof = 1) const;

 private:
  friend class Frame;
  RollingFrame(Frame frame, std::vector<Frame::Selection> selections, Window window, RollingOptions options)
      : frame_(std::move(frame)),
        selections_(std::move(selections)),
        window_(window),
        options_(std::move(options)) {}

  [[nodiscard]] Frame::Selection rolled(const Frame::Selection& selection, Aggregate aggregate,
                                        int ddof) const;

  Frame frame_;
  std::vector<Frame::Selection> selections_;
  Window window_;
  RollingOptions options_;
};

}  // namespace tiderace::plan
