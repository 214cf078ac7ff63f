#include "columnar/function.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <utility>

namespace tiderace {
namespace {

std::string listed(std::span<const std::string> names) {
  return names.empty() ? "" : fmt::format(" ({})", fmt::join(names, ", "));
}

std::vector<std::string> names_of(std::span<const Feature> features) {
  std::vector<std::string> names;
  for (const Feature& feature : features) names.push_back(feature.name);
  return names;
}

/// The names of `features` that `others` do not have.
std::vector<std::string> only_in(std::span<const Feature> features, std::span<const Feature> others) {
  std::vector<std::string> names;
  for (const Feature& feature : features) {
    if (std::ranges::find(others, feature.name, &Feature::name) == others.end())
      names.push_back(feature.name);
  }
  return names;
}

std::string kind_text(KindMask kinds) {
  constexpr std::pair<Kind, std::string_view> named[] = {
      {Kind::boolean, "bool"},  {Kind::int64, "int64"}, {Kind::float64, "float64"},
      {Kind::string, "string"}, {Kind::bytes, "bytes"}, {Kind::nested, "nested"}};
  std::vector<std::string_view> names;
  for (const auto& [kind, name] : named) {
    if (in(kind, kinds)) names.push_back(name);
  }
  return fmt::format("{}", fmt::join(names, " or "));
}

/// What a feature of one kind takes in without another meaning: ints are floats, booleans are 0 and 1.
constexpr KindMask taken_by(KindMask trained) noexcept {
  if ((trained & mask_of(Kind::float64)) != 0) return number_mask;
  if ((trained & mask_of(Kind::int64)) != 0) return mask_of(Kind::int64) | mask_of(Kind::boolean);
  return trained;
}

class ModelWithFeatures final : public Model {
 public:
  ModelWithFeatures(std::shared_ptr<Model> model, std::string name, std::vector<Feature> trained)
      : model_(std::move(model)), name_(std::move(name)), trained_(std::move(trained)) {}

  [[nodiscard]] std::optional<std::string> mismatch(std::span<const Feature> features) const override {
    if (!std::ranges::equal(trained_, features, {}, &Feature::name, &Feature::name))
      return other_names(features);
    for (std::size_t i = 0; i < features.size(); ++i) {
      if ((features[i].kinds & taken_by(trained_[i].kinds)) != 0) continue;
      return fmt::format(
          "{}: the model was trained on {} as {}, the pipeline gives {}; convert it with astype(\"{}\"), or "
          "train on what the pipeline gives",
          name_, features[i].name, kind_text(trained_[i].kinds), kind_text(features[i].kinds),
          kind_text(trained_[i].kinds));
    }
    return model_->mismatch(features);
  }
  std::optional<CallFailure> predict(const FeatureMatrix& features, ColumnBuilder& predictions) override {
    return model_->predict(features, predictions);
  }
  [[nodiscard]] std::string name() const override { return name_; }
  [[nodiscard]] bool pure() const override { return model_->pure(); }

 private:
  [[nodiscard]] std::string other_names(std::span<const Feature> features) const {
    const std::vector<std::string> missing = only_in(trained_, features);
    const std::vector<std::string> unknown = only_in(features, trained_);
    std::string what;
    if (!missing.empty()) what += fmt::format("; missing: {}", fmt::join(missing, ", "));
    if (!unknown.empty()) what += fmt::format("; not known to it: {}", fmt::join(unknown, ", "));
    if (what.empty()) what = "; they are the same in another order";
    return fmt::format(
        "{}: the model was trained on the features{}, the pipeline gives{}{}; select them under these names, "
        "in this order",
        name_, listed(names_of(trained_)), listed(names_of(features)), what);
  }

  std::shared_ptr<Model> model_;
  std::string name_;
  std::vector<Feature> trained_;
};

}  // namespace

std::optional<std::string> feature_mismatch(const std::string& model, std::size_t trained_on,
                                            std::span<const std::string> trained_names,
                                            std::span<const Feature> found) {
  const std::vector<std::string> names = names_of(found);
  if (names.size() != trained_on) {
    return fmt::format(
        "{}: the model was trained on {} features{}, found {}{}; select the columns that it was trained on",
        model, trained_on, listed(trained_names), names.size(), listed(names));
  }
  if (trained_names.empty() || std::ranges::equal(trained_names, names)) return std::nullopt;
  return fmt::format(
      "{}: the model was trained on the features{}, found{}; select them under these names, in this order",
      model, listed(trained_names), listed(names));
}

std::shared_ptr<Model> with_features(std::shared_ptr<Model> model, std::string name,
                                     std::vector<Feature> trained) {
  return std::make_shared<ModelWithFeatures>(std::move(model), std::move(name), std::move(trained));
}

}  // namespace tiderace
