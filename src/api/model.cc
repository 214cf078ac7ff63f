#include <tiderace/model.h>

#include <filesystem>

#include "api/frame_access.h"
#include "base/error.h"
#include "models/file_registry.h"
#include "models/xgboost_model.h"

namespace tiderace {
namespace {

PlannedModel of_registry(const std::string& path, FileReference reference, const ModelOptions& options) {
  ModelVersionsOptions versions;
  versions.name = name_of(reference);
  versions.reference = path;
  versions.poll_interval = options.poll_interval;
  versions.control_topic = options.control_topic;
  versions.on_lost_version = options.on_lost_version;
  auto source = file_source(std::move(reference), options.sha256);
  PlannedModel planned;
  planned.versions =
      std::make_shared<ModelVersions>(std::move(source), std::move(versions), std::vector{options.method});
  planned.method = options.method;
  planned.name = path;
  return planned;
}

void check(const std::string& path, bool versions, const ModelOptions& options) {
  const bool watched = options.poll_interval || !options.control_topic.empty();
  if (options.poll_interval && options.poll_interval->count() <= 0)
    throw Error(ErrorKind::config, "poll_interval: wanted a time above 0");
  if (watched && !versions) {
    throw_error(
        ErrorKind::config,
        "load_model(\"{}\"): poll_interval and control_topic are for models in a registry, of which new "
        "versions may come; this is a file",
        path);
  }
  if (watched && !options.sha256.empty())
    throw Error(ErrorKind::config,
                "load_model: a model that is to change cannot have one sha256; leave it out");
}

/// What models of Python and other registries are called.
void refuse_others(const std::string& path) {
  for (const std::string_view begin : {"models:/", "runs:/", "s3://", "gs://", "http://", "https://"}) {
    if (path.starts_with(begin))
      throw_error(
          ErrorKind::config,
          "load_model(\"{}\"): wanted a file or a registry in a folder, \"file:models/NAME@champion\"; of "
          "other registries models come in Python only",
          path);
  }
  for (const std::string_view end : {".pkl", ".pickle", ".joblib", ".onnx"}) {
    if (path.ends_with(end))
      throw_error(
          ErrorKind::config,
          "load_model(\"{}\"): wanted a model of XGBoost, .ubj or .json; other kinds run in Python only",
          path);
  }
}

constexpr const char* type = "tr::TrainedModel";

}  // namespace

struct ModelState {
  PlannedModel planned;
};

TrainedModel::TrainedModel(std::shared_ptr<const ModelState> state) : state_(std::move(state)) {}

Series TrainedModel::predict(const StreamingDataFrame& features, const PredictOptions& options) const {
  plan::PredictOptions planned;
  planned.pass_nulls = options.pass_nulls;
  planned.version_column = options.version_column;
  if (options.shadow) planned.shadow = required(options.shadow->state_, type)->planned;
  planned.shadow_column = options.shadow_column;
  return FrameAccess::make(
      FrameAccess::of(features).predict(required(state_, type)->planned, std::move(planned)));
}

std::string TrainedModel::version() const {
  const auto versions = std::dynamic_pointer_cast<ModelVersions>(required(state_, type)->planned.versions);
  return versions ? versions->newest()->version : "";
}

TrainedModel load_model(const std::string& path, const ModelOptions& options) {
  refuse_others(path);
  auto reference = file_reference(path);
  check(path, reference.has_value(), options);
  PlannedModel planned;
  if (reference) {
    planned = of_registry(path, std::move(*reference), options);
  } else {
    planned.model = load_xgboost_model(path, options.sha256, options.method);
    planned.name = std::filesystem::path(path).filename().string();
  }
  return TrainedModel(std::make_shared<const ModelState>(ModelState{std::move(planned)}));
}

}  // namespace tiderace
