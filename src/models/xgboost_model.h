#pragma once

#include <memory>
#include <string>

#include "columnar/function.h"

namespace tiderace {

/// Loads an XGBoost model (`.ubj` or `.json`) to run without Python. `method` is `predict` or
/// `predict_proba`. Throws Error{config} if the file is missing, its SHA-256 is not `sha256` (empty: not
/// checked), or the model holds what this library's XGBoost would silently compute otherwise.
std::shared_ptr<Model> load_xgboost_model(const std::string& path, const std::string& sha256,
                                          const std::string& method);

/// The same of the bytes of such a file, under `name`.
std::shared_ptr<Model> make_xgboost_model(std::string bytes, const std::string& name,
                                          const std::string& method);

}  // namespace tiderace
