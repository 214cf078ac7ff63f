#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tiderace {

/// What a trained model puts out, as far as predicting with it goes.
enum class XgboostTask : std::uint8_t {
  value,        ///< one number a row
  two_classes,  ///< the probability of the second of two classes
  two_labels,   ///< a label or a margin of two classes, without probabilities
  classes,      ///< the probability of every class
  labels,       ///< the label of one of many classes, without probabilities
};

/// What a model file says of itself, read from the file: XGBoost 1.7 skips what it does not know, and a model
/// that it loads without a word may predict other numbers than the XGBoost that trained it.
struct XgboostHeader {
  std::array<int, 3> version{};
  std::string objective;
  std::string booster;                   ///< gbtree or dart
  std::vector<std::string> base_scores;  ///< as spelled in the file; one, or one a class
  std::size_t classes = 0;               ///< 0 unless there are more than two
  std::size_t features = 0;
  std::vector<std::string> feature_names;  ///< empty if it was trained without
  std::optional<int> best_iteration;       ///< set by early stopping
  XgboostTask task = XgboostTask::value;
};

/// Reads the header of a model in JSON or UBJSON and checks that XGBoost 1.7 predicts with it what its own
/// version does. Throws Error{config}, which says what was found and what to do.
[[nodiscard]] XgboostHeader read_xgboost_header(std::string_view bytes);

}  // namespace tiderace
