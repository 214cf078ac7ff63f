#pragma once

#include <tiderace/dataframe.h>
#include <tiderace/export.h>
#include <tiderace/series.h>

#include <memory>
#include <string>

namespace TIDERACE_API tiderace {

/// The options of `load_model`.
struct ModelOptions {
  /// The SHA-256 of the file in hexadecimal digits: another file is refused. Empty: not checked.
  std::string sha256 = {};
  /// `predict`, or `predict_proba`: of two classes the probability of the second, of more a list.
  std::string method = "predict";
};

/// The options of `TrainedModel::predict`.
struct PredictOptions {
  /// Hands rows with a null feature over with NaN in its place; otherwise such a row gets null and is not put
  /// to the model.
  bool pass_nulls = false;
};

struct ModelState;

/// A trained model in this process, called with a whole batch of rows at a time. Cheap to copy; any thread.
class TrainedModel {
 public:
  /// The model's value for every row; the columns of `features`, a selection such as `sdf[{"a", "b"}]`, are
  /// its features in their order. A row that the model fails on alone is bad (kind model). Throws Error{plan}
  /// if the columns of `features` are not known.
  [[nodiscard]] Series predict(const StreamingDataFrame& features, const PredictOptions& options = {}) const;

 private:
  friend TrainedModel load_model(const std::string& path, const ModelOptions& options);
  explicit TrainedModel(std::shared_ptr<const ModelState> state);
  std::shared_ptr<const ModelState> state_;
};

/// Loads an XGBoost model (`.ubj` or `.json`).
///
/// ```cpp
/// sdf["shaking"] = tr::load_model("shaking.ubj").predict(sdf[{"gForceTotal", "gForceTotal-10s"}]);
/// ```
///
/// *Errors*: Error{config} if the file is missing, is another than `sha256` says, is damaged, or holds what
/// this library would not compute as the library that trained it does.
[[nodiscard]] TrainedModel load_model(const std::string& path, const ModelOptions& options = {});

}  // namespace tiderace
