#include "models/xgboost_model.h"

#include <xgboost/c_api.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <limits>
#include <type_traits>
#include <utility>

#include "base/error.h"
#include "models/document.h"
#include "models/model_file.h"
#include "models/xgboost_header.h"

namespace tiderace {
namespace {

/// Every call of XGBoost passes here. Its messages end in a stack trace, which helps nobody.
void check(int status) {
  if (status == 0) return;
  std::string message = XGBGetLastError();
  message = message.substr(0, message.find("\nStack trace"));
  while (!message.empty() && (message.back() == '\n' || message.back() == ' ')) message.pop_back();
  throw Error(ErrorKind::config, "XGBoost: " + message);
}

struct FreeBooster {
  void operator()(void* handle) const noexcept { XGBoosterFree(handle); }
};
struct FreeMatrix {
  void operator()(void* handle) const noexcept { XGDMatrixFree(handle); }
};
using Booster = std::unique_ptr<void, FreeBooster>;
using Matrix = std::unique_ptr<void, FreeMatrix>;

/// NumPy's array interface, in which XGBoost takes arrays without a copy.
template <class Number>
std::string array_interface(const Number* data, std::size_t rows, std::size_t columns) {
  static_assert(std::is_floating_point_v<Number>);
  return fmt::format(R"({{"data":[{},true],"shape":[{},{}],"typestr":"<f{}","version":3}})",
                     reinterpret_cast<std::uintptr_t>(data), rows, columns, sizeof(Number));
}

Booster load_booster(std::string_view bytes, const XgboostHeader& header) {
  void* handle = nullptr;
  check(XGBoosterCreate(nullptr, 0, &handle));
  Booster booster(handle);
  const auto set = [&booster](const char* name, const std::string& value) {
    check(XGBoosterSetParam(booster.get(), name, value.c_str()));
  };
  set("verbosity", "0");
  check(XGBoosterLoadModelFromBuffer(booster.get(), bytes.data(), bytes.size()));
  set("nthread", "1");  // the workers are the threads; a team of its own costs more than a batch
  // XGBoost 1.7 cannot read the way later versions spell the base score and would go on with 0.5. Given as a
  // parameter it is used. Scores by class are put in as the base margin of each row instead.
  if (header.base_scores.size() == 1) set("base_score", header.base_scores.front());
  return booster;
}

/// XGBoost tells JSON from UBJSON by the byte behind the opening brace, and does not expect white space
/// there.
std::string_view without_leading_space(std::string& bytes) {
  constexpr std::string_view space = " \t\r\n";
  if (is_ubjson(bytes)) return bytes;
  const std::size_t brace = bytes.find_first_not_of(space);
  const std::size_t next = bytes.find_first_not_of(space, brace + 1);
  bytes[next - 1] = '{';
  return std::string_view(bytes).substr(next - 1);
}

/// In-place prediction of XGBoost keeps its result per thread and only reads the booster once it is
/// configured, which the constructor's call sees to. So `predict` may be called by several workers at the
/// same time.
class XgboostModel : public Model {
 public:
  XgboostModel(std::string name, XgboostHeader header, Booster booster, bool probabilities)
      : name_(std::move(name)),
        header_(std::move(header)),
        booster_(std::move(booster)),
        probabilities_(probabilities),
        config_(fmt::format(
            R"({{"type":0,"training":false,"iteration_begin":0,"iteration_end":{},"strict_shape":true,)"
            R"("cache_id":0,"missing":NaN}})",
            header_.best_iteration ? *header_.best_iteration + 1 : 0)) {
    const std::vector<double> row(header_.features, std::numeric_limits<double>::quiet_NaN());
    ColumnBuilder ignored(1);
    run({row, 1, header_.features, {}}, ignored);
  }

  [[nodiscard]] bool pure() const override { return true; }
  [[nodiscard]] std::optional<std::string> mismatch(std::span<const Feature> features) const override {
    return feature_mismatch(name_, header_.features, header_.feature_names, features);
  }

  std::optional<CallFailure> predict(const FeatureMatrix& features, ColumnBuilder& predictions) override {
    if (features.rows == 0) return std::nullopt;
    TIDERACE_CHECK(features.columns == header_.features);  // see `mismatch`
    try {
      run(features, predictions);
    } catch (const Error& error) {
      return CallFailure{fmt::format("{}: {}", name_, error.what())};
    }
    return std::nullopt;
  }

  [[nodiscard]] std::string name() const override { return name_; }

 private:
  /// A matrix without features that carries the base score of each class for each row.
  [[nodiscard]] Matrix base_margin(std::size_t rows) const {
    std::vector<float> scores;
    for (const std::string& spelled : header_.base_scores) scores.push_back(std::stof(spelled));
    std::vector<float> margins;
    margins.reserve(rows * scores.size());
    for (std::size_t row = 0; row < rows; ++row) margins.insert(margins.end(), scores.begin(), scores.end());
    void* handle = nullptr;
    check(XGProxyDMatrixCreate(&handle));
    Matrix matrix(handle);
    check(XGDMatrixSetInfoFromInterface(matrix.get(), "base_margin",
                                        array_interface(margins.data(), rows, scores.size()).c_str()));
    return matrix;
  }

  void run(const FeatureMatrix& features, ColumnBuilder& predictions) {
    const Matrix margin = header_.base_scores.size() > 1 ? base_margin(features.rows) : Matrix();
    const bst_ulong* shape = nullptr;
    bst_ulong dimensions = 0;
    const float* result = nullptr;
    check(XGBoosterPredictFromDense(
        booster_.get(), array_interface(features.values.data(), features.rows, features.columns).c_str(),
        config_.c_str(), margin.get(), &shape, &dimensions, &result));
    std::size_t width = 1;
    for (bst_ulong i = 1; i < dimensions; ++i) width *= shape[i];
    const std::size_t wanted = header_.task == XgboostTask::classes ? header_.classes : 1;
    if (dimensions == 0 || shape[0] != features.rows || width != wanted) {
      throw_error(ErrorKind::config, "wanted {} predictions a row for {} rows, XGBoost gave {} for {}",
                  wanted, features.rows, width, dimensions == 0 ? 0 : shape[0]);
    }
    for (std::size_t row = 0; row < features.rows; ++row) set(predictions, row, result + row * width);
  }

  void set(ColumnBuilder& predictions, std::size_t row, const float* result) const {
    switch (header_.task) {
      case XgboostTask::value:
        return predictions.set_float64(row, static_cast<double>(*result));
      case XgboostTask::two_labels:
        return predictions.set_int64(row, *result > 0.5F ? 1 : 0);
      case XgboostTask::labels:
        return predictions.set_int64(row, static_cast<std::int64_t>(*result));
      case XgboostTask::two_classes:
        if (probabilities_) return predictions.set_float64(row, static_cast<double>(*result));
        return predictions.set_int64(row, *result > 0.5F ? 1 : 0);
      case XgboostTask::classes:
        if (!probabilities_)
          return predictions.set_int64(row, std::max_element(result, result + header_.classes) - result);
        if (header_.classes == 2) return predictions.set_float64(row, static_cast<double>(result[1]));
        return set_array(predictions, row, {result, header_.classes});
    }
  }

  static void set_array(ColumnBuilder& predictions, std::size_t row, std::span<const float> probabilities) {
    std::string text = "[";
    for (const float probability : probabilities) {
      if (text.size() > 1) text += ',';
      char digits[32];
      const auto [end, error] =
          std::to_chars(digits, digits + sizeof digits, static_cast<double>(probability));
      const std::string_view spelled(digits, static_cast<std::size_t>(end - digits));
      text += spelled;
      if (spelled.find_first_of(".e") == std::string_view::npos) text += ".0";
    }
    predictions.set_text(row, Kind::nested, text += ']');
  }

  std::string name_;
  XgboostHeader header_;
  Booster booster_;
  bool probabilities_;
  std::string config_;
};

void check_method(const std::string& method, const XgboostHeader& header) {
  if (method == "predict") return;
  if (method != "predict_proba") {
    throw_error(ErrorKind::config, "wanted method 'predict' or 'predict_proba', found '{}'", method);
  }
  if (header.task != XgboostTask::two_classes && header.task != XgboostTask::classes) {
    throw_error(ErrorKind::config,
                "method 'predict_proba' wants a model that gives probabilities (binary:logistic or "
                "multi:softprob), found one trained for {}; use method 'predict'",
                header.objective);
  }
}

}  // namespace

std::shared_ptr<Model> make_xgboost_model(std::string bytes, const std::string& name,
                                          const std::string& method) {
  XgboostHeader header = read_xgboost_header(bytes);
  check_method(method, header);
  Booster booster = load_booster(without_leading_space(bytes), header);
  return std::make_shared<XgboostModel>(name, std::move(header), std::move(booster),
                                        method == "predict_proba");
}

std::shared_ptr<Model> load_xgboost_model(const std::string& path, const std::string& sha256,
                                          const std::string& method) {
  std::string bytes = read_model_file(path, sha256);
  try {
    return make_xgboost_model(std::move(bytes), std::filesystem::path(path).filename().string(), method);
  } catch (const Error& error) {
    throw error.within(fmt::format("cannot load the model '{}'", path));
  }
}

}  // namespace tiderace
