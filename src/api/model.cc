#include <tiderace/model.h>

#include <filesystem>

#include "api/frame_access.h"
#include "models/xgboost_model.h"

namespace tiderace {

struct ModelState {
  std::shared_ptr<Model> model;
  std::string name;
};

TrainedModel::TrainedModel(std::shared_ptr<const ModelState> state) : state_(std::move(state)) {}

Series TrainedModel::predict(const StreamingDataFrame& features, const PredictOptions& options) const {
  return FrameAccess::make(
      FrameAccess::of(features).predict(state_->model, state_->name, options.pass_nulls));
}

TrainedModel load_model(const std::string& path, const ModelOptions& options) {
  auto model = load_xgboost_model(path, options.sha256, options.method);
  const std::string name = std::filesystem::path(path).filename().string();
  return TrainedModel(std::make_shared<const ModelState>(ModelState{std::move(model), name}));
}

}  // namespace tiderace
