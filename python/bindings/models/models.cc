#include <fmt/format.h>
#include <nanobind/ndarray.h>

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "bindings.h"
#include "exceptions.h"
#include "held.h"
#include "models/model_file.h"
#include "models/xgboost_model.h"
#include "python_to_json.h"

namespace tiderace::python {
namespace {

template <class T>
using Vector = nb::ndarray<const T, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

/// A copy that is the model's own: it may keep it.
nb::object array_of(const FeatureMatrix& features) {
  auto* values = new double[features.values.size()];
  const nb::capsule owner(values, [](void* pointer) noexcept { delete[] static_cast<double*>(pointer); });
  std::copy(features.values.begin(), features.values.end(), values);
  return nb::cast(
      nb::ndarray<nb::numpy, double, nb::ndim<2>>(values, {features.rows, features.columns}, owner));
}

class PythonModel final : public Model {
 public:
  PythonModel(nb::object call, std::string name, std::optional<std::size_t> trained_on,
              std::vector<std::string> trained_names)
      : call_(std::move(call)),
        name_(std::move(name)),
        trained_on_(trained_on),
        trained_names_(std::move(trained_names)) {}

  [[nodiscard]] std::optional<std::string> mismatch(std::span<const Feature> features) const override {
    if (!trained_on_) return std::nullopt;
    return feature_mismatch(name_, *trained_on_, trained_names_, features);
  }

  std::optional<CallFailure> predict(const FeatureMatrix& features, ColumnBuilder& predictions) override {
    const nb::gil_scoped_acquire gil;
    try {
      nb::list names;
      for (const std::string& name : features.names) names.append(name);
      return read(nb::borrow(call_.get())(array_of(features), names), features.rows, predictions);
    } catch (nb::python_error& error) {
      return CallFailure{fmt::format("{}: {}", name_, describe_exception(error, nb::none()))};
    } catch (const UnfitValue& unfit) {
      return CallFailure{fmt::format("{}: a prediction is {}", name_, unfit.message)};
    }
  }

  [[nodiscard]] std::string name() const override { return name_; }

 private:
  [[nodiscard]] std::optional<CallFailure> read(const nb::object& result, std::size_t rows,
                                                ColumnBuilder& predictions) const {
    const std::size_t found = nb::len(result);
    if (found != rows) {
      return CallFailure{fmt::format("{}: wanted {} prediction{}, one for each row, found {}", name_, rows,
                                     rows == 1 ? "" : "s", found),
                         true};
    }
    Vector<double> floats;
    Vector<std::int64_t> ints;
    if (nb::try_cast(result, floats, false)) {
      for (std::size_t i = 0; i < rows; ++i) predictions.set_float64(i, floats(i));
    } else if (nb::try_cast(result, ints, false)) {
      for (std::size_t i = 0; i < rows; ++i) predictions.set_int64(i, ints(i));
    } else {
      const nb::object values = result.attr("tolist")();
      std::size_t i = 0;
      for (const nb::handle value : values) set_value(predictions, i++, value);
    }
    return std::nullopt;
  }

  Held call_;
  std::string name_;
  std::optional<std::size_t> trained_on_;
  std::vector<std::string> trained_names_;
};

ModelHandle xgboost_model(const std::string& path, const std::string& sha256, const std::string& method) {
  return {load_xgboost_model(path, sha256, method)};
}

ModelHandle xgboost_model_of(nb::bytes content, const std::string& name, const std::string& method) {
  return {make_xgboost_model(std::string(content.c_str(), content.size()), name, method)};
}

KindMask kinds_named(const std::string& name) {
  if (name == "bool") return mask_of(Kind::boolean);
  if (name == "int64") return mask_of(Kind::int64);
  if (name == "float64") return mask_of(Kind::float64);
  throw_error(ErrorKind::config, "wanted bool, int64 or float64 as the type of a feature, found \"{}\"",
              name);
}

ModelHandle model_with_features(const ModelHandle& model, const std::string& name,
                                const std::vector<std::pair<std::string, std::string>>& features) {
  std::vector<Feature> trained;
  for (const auto& [feature, type] : features) trained.push_back({feature, kinds_named(type)});
  return {with_features(model.model, name, std::move(trained))};
}

std::optional<std::string> mismatch(const ModelHandle& model,
                                    const std::vector<std::pair<std::string, std::string>>& features) {
  std::vector<Feature> given;
  for (const auto& [feature, type] : features) given.push_back({feature, kinds_named(type)});
  return model.model->mismatch(given);
}

nb::bytes model_bytes(const std::string& path, const std::string& sha256) {
  const std::string bytes = read_model_file(path, sha256);
  return nb::bytes(bytes.data(), bytes.size());
}

ModelHandle python_model(nb::object call, std::string name, std::optional<std::size_t> trained_on,
                         std::vector<std::string> trained_names) {
  return {
      std::make_shared<PythonModel>(std::move(call), std::move(name), trained_on, std::move(trained_names))};
}

}  // namespace

void bind_models(nb::module_& module) {
  nb::class_<ModelHandle>(module, "Model")
      .def("__repr__", [](const ModelHandle& self) { return self.planned().name; })
      .def("mismatch", &mismatch, nb::arg("features"),
           "Why the model, which has no versions, does not take these features, pairs of name and type; None "
           "where it does.");
  module.def("python_model", &python_model, nb::arg("call"), nb::arg("name"), nb::arg("trained_on").none(),
             nb::arg("trained_names"),
             nb::sig("def python_model(call: object, name: str, trained_on: int | None, trained_names: "
                     "list[str]) -> Model"),
             "`call(features, names)` as a model: it gets a float64 array of its own, a row a line, and the "
             "names of its columns, and returns an array with a value, or a row of values, for each row. "
             "`trained_on`: how many features it wants, if that is known; `trained_names`: which, or none.");
  module.def("xgboost_model", &xgboost_model, nb::arg("path"), nb::arg("sha256"), nb::arg("method"));
  module.def("xgboost_model_of", &xgboost_model_of, nb::arg("content"), nb::arg("name"), nb::arg("method"));
  module.def("with_features", &model_with_features, nb::arg("model"), nb::arg("name"), nb::arg("features"),
             "`model` under `name`, which refuses other features than these: pairs of name and type, `bool`, "
             "`int64` or `float64`.");
  module.def("model_bytes", &model_bytes, nb::arg("path"), nb::arg("sha256"));
}

}  // namespace tiderace::python
