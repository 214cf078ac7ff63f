#pragma once

#include <tiderace/dataframe.h>
#include <tiderace/export.h>
#include <tiderace/options.h>
#include <tiderace/series.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>

namespace TIDERACE_API tiderace {

/// The options of `load_model`.
struct ModelOptions {
  /// The SHA-256 of the file in hexadecimal digits: another file is refused. Empty: not checked, or held to
  /// what the registry says.
  std::string sha256 = {};
  /// `predict`, or `predict_proba`: of two classes the probability of the second, of more a list.
  std::string method = "predict";
  /// Of a registry: how often a stream that runs asks for a new version. Unset: never.
  std::optional<std::chrono::nanoseconds> poll_interval = {};
  /// Of a registry: a topic whose records tell of versions, `{"version": "4"}` under the model's name as key.
  std::string control_topic = {};
  /// What a partition does whose version is gone from the registry when its state is restored.
  OnLostVersion on_lost_version = OnLostVersion::stop;
};

class TrainedModel;

/// The options of `TrainedModel::predict`.
struct PredictOptions {
  /// Hands rows with a null feature over with NaN in its place; otherwise such a row gets null and is not put
  /// to the model.
  bool pass_nulls = false;
  /// A column for the version that gave the prediction, of a model in a registry. Empty: none; the version is
  /// in the header `tiderace.model.NAME` of the records all the same.
  std::string version_column = {};
  /// A second model, called with the same rows. What it fails on is null, and counted. Null: none.
  const TrainedModel* shadow = nullptr;
  /// The column of its predictions. Empty: that of the prediction, and `-shadow`.
  std::string shadow_column = {};
};

struct ModelState;

/// A trained model in this process, called with a whole batch of rows at a time. Cheap to copy; any thread.
class TrainedModel {
 public:
  /// The model's value for every row; the columns of `features`, a selection such as `sdf[{"a", "b"}]`, are
  /// its features in their order. A row that the model fails on alone is bad (kind model). Throws Error{plan}
  /// if the columns of `features` are not known.
  [[nodiscard]] Series predict(const StreamingDataFrame& features, const PredictOptions& options = {}) const;
  /// The newest version that was loaded of a model in a registry; empty for a file.
  [[nodiscard]] std::string version() const;

 private:
  friend TrainedModel load_model(const std::string& path, const ModelOptions& options);
  explicit TrainedModel(std::shared_ptr<const ModelState> state);
  std::shared_ptr<const ModelState> state_;
};

/// Loads an XGBoost model: a file (`.ubj` or `.json`), or one of a registry of files that `publish_model` of
/// the Python front end writes to: `file:models/shaking@champion`, or the path of such a folder; `@3` is
/// version 3, no `@` the newest one.
///
/// ```cpp
/// sdf["shaking"] = tr::load_model("shaking.ubj").predict(sdf[{"gForceTotal", "gForceTotal-10s"}]);
/// ```
///
/// With `poll_interval`, a stream that runs takes up new versions: loaded beside the old one, swapped between
/// two batches, taken back where it fails the first batch that it is tried on.
///
/// *State*: which version scores a partition, since which offset.
/// *Errors*: Error{config} if the file is missing, is another than `sha256` says, is damaged, or holds what
/// this library would not compute as the library that trained it does.
[[nodiscard]] TrainedModel load_model(const std::string& path, const ModelOptions& options = {});

}  // namespace tiderace
