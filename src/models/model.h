#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "columnar/column.h"

namespace tiderace {

/// Rows of features, row-major; nulls are NaN.
struct FeatureMatrix {
  std::span<const double> values;
  std::size_t rows = 0;
  std::size_t columns = 0;
  std::span<const std::string> names;  ///< of the columns, in order
};

/// A trained model: features in, one value a row out. Called once a batch on the worker's thread.
class Model {
 public:
  virtual ~Model() = default;
  /// Sets every row of `predictions` (made with `features.rows` rows), or returns why the call failed.
  [[nodiscard]] virtual std::optional<std::string> predict(const FeatureMatrix& features,
                                                           ColumnBuilder& predictions) = 0;
  /// What `app.explain()` prints, for example `shaking.ubj`.
  [[nodiscard]] virtual std::string name() const = 0;
};

/// Loads an XGBoost model (`.ubj` or `.json`) to run without Python. `method` is `predict` or
/// `predict_proba`. Throws Error{config} if the file is missing, its SHA-256 is not `sha256` (empty: not
/// checked), or the model holds what this library's XGBoost would silently compute otherwise.
std::shared_ptr<Model> load_xgboost_model(const std::string& path, const std::string& sha256,
                                          const std::string& method);

}  // namespace tiderace
