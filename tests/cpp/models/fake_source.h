#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "models/model_versions.h"

namespace tiderace {

/// Predicts the first feature times the number of its version, unless it `fails`.
class TimesVersion final : public Model {
 public:
  TimesVersion(double factor, bool fails) : factor_(factor), fails_(fails) {}
  std::optional<CallFailure> predict(const FeatureMatrix& features, ColumnBuilder& predictions) override {
    if (fails_) return CallFailure{"it fails"};
    for (std::size_t row = 0; row < features.rows; ++row)
      predictions.set_float64(row, features.values[row * features.columns] * factor_);
    return std::nullopt;
  }
  [[nodiscard]] std::string name() const override { return "times"; }

 private:
  double factor_;
  bool fails_;
};

/// What a registry has, as a test says. Any thread.
struct FakeRegistry {
  std::mutex mutex;
  std::string current = "1";
  std::map<std::string, std::vector<Feature>> trained;  ///< by version, where it says so
  std::vector<std::string> failing;                     ///< versions whose every prediction fails
  std::vector<std::string> gone;
  std::string away;  ///< why it cannot be reached; empty: it can
  int loads = 0;
};

class FakeSource final : public ModelSource {
 public:
  explicit FakeSource(std::shared_ptr<FakeRegistry> registry) : registry_(std::move(registry)) {}

  std::string resolve() override {
    const std::lock_guard lock(registry_->mutex);
    reach();
    return registry_->current;
  }
  std::vector<std::shared_ptr<Model>> load(const std::string& version,
                                           std::span<const std::string> methods) override {
    const std::lock_guard lock(registry_->mutex);
    reach();
    if (contains(registry_->gone, version))
      throw VersionGone(Error(ErrorKind::config, "there is no version " + version));
    ++registry_->loads;
    std::vector<std::shared_ptr<Model>> models;
    for (const std::string& method : methods) {
      if (method != "predict" && method != "predict_proba")
        throw Error(ErrorKind::config, "no method " + method);
      std::shared_ptr<Model> model =
          std::make_shared<TimesVersion>(std::stod(version), contains(registry_->failing, version));
      const auto trained = registry_->trained.find(version);
      if (trained != registry_->trained.end())
        model = with_features(model, "model version " + version, trained->second);
      models.push_back(std::move(model));
    }
    return models;
  }

 private:
  static bool contains(const std::vector<std::string>& versions, const std::string& version) {
    return std::find(versions.begin(), versions.end(), version) != versions.end();
  }
  void reach() const {
    if (!registry_->away.empty()) throw Error(ErrorKind::config, registry_->away);
  }

  std::shared_ptr<FakeRegistry> registry_;
};

inline std::shared_ptr<ModelVersions> fake_versions(const std::shared_ptr<FakeRegistry>& registry,
                                                    ModelVersionsOptions options = {}) {
  options.name = "shaking";
  options.reference = "fake:shaking@champion";
  if (!options.poll_interval) options.poll_interval = std::chrono::milliseconds(1);
  return std::make_shared<ModelVersions>(std::make_unique<FakeSource>(registry), options,
                                         std::vector<std::string>{"predict"});
}

}  // namespace tiderace
