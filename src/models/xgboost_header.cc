#include "models/xgboost_header.h"

#include <algorithm>
#include <charconv>
#include <map>

#include "base/error.h"
#include "models/document.h"
#include "models/xgboost_trees.h"

namespace tiderace {
namespace {

using namespace std::literals;

constexpr auto parameter_path = "learner.learner_model_param."sv;

/// What of `path` lies below the model of trees; empty if it does not. A dart has it one level deeper.
std::string_view below_trees(std::string_view path) noexcept {
  for (const auto prefix :
       {"learner.gradient_booster.model."sv, "learner.gradient_booster.gbtree.model."sv}) {
    if (path.starts_with(prefix)) return path.substr(prefix.size());
  }
  return {};
}

/// Keeps the few fields that decide about the numbers. Newer files hold more, which does not.
class HeaderVisitor : public DocumentVisitor {
 public:
  void text(std::string_view path, std::string_view value) override {
    if (path == "learner.feature_names") {
      header.feature_names.emplace_back(value);
    } else if (path == "learner.feature_types") {
      has_categories |= value == "c";
    } else if (path == "learner.gradient_booster.name") {
      header.booster = value;
    } else if (path == "learner.objective.name") {
      header.objective = value;
    } else if (path == "learner.attributes.best_iteration") {
      best_iteration = value;
    } else if (path.starts_with(parameter_path)) {
      parameters[std::string(path.substr(parameter_path.size()))] = value;
    } else if (const std::string_view member = below_trees(path); !member.empty()) {
      if (member == "trees.tree_param.size_leaf_vector") has_leaf_vectors |= value != "0" && value != "1";
      trees.text(member, value);
    }
  }
  void number(std::string_view path, double value) override {
    if (const std::string_view member = below_trees(path); !member.empty()) {
      trees.number(member, value);
    } else if (path == "version" && version_size < 3) {
      header.version[version_size++] = value >= 0 && value < 1e6 ? static_cast<int>(value) : -1;
    }
  }
  void array(std::string_view path, std::size_t size) override {
    const std::string_view member = below_trees(path);
    if (member == "trees.categories") has_categories |= size != 0;
    trees.array(member, size);
  }
  void object(std::string_view path) override { trees.object(below_trees(path)); }

  XgboostHeader header;
  XgboostTrees trees;
  std::map<std::string, std::string> parameters;  ///< of the learner
  std::string best_iteration;
  std::size_t version_size = 0;
  bool has_categories = false;
  bool has_leaf_vectors = false;
};

/// Objectives whose predictions XGBoost 1.7 transforms as later versions do, held by tests.
const std::map<std::string_view, XgboostTask>& objectives() {
  static const std::map<std::string_view, XgboostTask> known = {
      {"binary:hinge", XgboostTask::two_labels},    {"binary:logistic", XgboostTask::two_classes},
      {"binary:logitraw", XgboostTask::two_labels}, {"count:poisson", XgboostTask::value},
      {"multi:softmax", XgboostTask::labels},       {"multi:softprob", XgboostTask::classes},
      {"reg:absoluteerror", XgboostTask::value},    {"reg:gamma", XgboostTask::value},
      {"reg:logistic", XgboostTask::value},         {"reg:pseudohubererror", XgboostTask::value},
      {"reg:squarederror", XgboostTask::value},     {"reg:tweedie", XgboostTask::value},
      {"survival:aft", XgboostTask::value},         {"survival:cox", XgboostTask::value},
  };
  return known;
}

template <class Number>
Number parsed(std::string_view text, std::string_view name) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) {
    throw_error(ErrorKind::config, "wanted a number as {}, found '{}'", name, text);
  }
  return value;
}

/// `5E-1`, or since version 3.1 `[5E-1]`, `[1E0,2E0]`.
std::vector<std::string> split_scores(std::string_view text) {
  if (text.starts_with('[') && text.ends_with(']')) text = text.substr(1, text.size() - 2);
  std::vector<std::string> scores;
  while (!text.empty()) {
    const std::size_t comma = text.find(',');
    scores.emplace_back(text.substr(0, comma));
    (void)parsed<float>(scores.back(), "base_score");
    text = comma == std::string_view::npos ? std::string_view() : text.substr(comma + 1);
  }
  return scores;
}

void check_structure(const HeaderVisitor& found) {
  const XgboostHeader& header = found.header;
  if (found.version_size != 3 || header.objective.empty() || header.booster.empty()) {
    throw_error(ErrorKind::config,
                "wanted an XGBoost model (version, objective and booster), found another document; save the "
                "model with "
                "save_model(\"model.ubj\")");
  }
  if (header.version[0] < 1 || header.version[0] > 3) {
    throw_error(
        ErrorKind::config,
        "wanted a model of XGBoost 1 to 3, found one of version {}.{}.{}, which is not known to agree; "
        "train it with XGBoost 3",
        header.version[0], header.version[1], header.version[2]);
  }
  if (header.booster != "gbtree" && header.booster != "dart") {
    throw_error(ErrorKind::config,
                "wanted booster gbtree or dart, found '{}', which cannot be run on batches here; train with "
                "booster=\"gbtree\", or load the model in Python and hand the object over",
                header.booster);
  }
  if (found.has_leaf_vectors) {
    throw_error(ErrorKind::config,
                "wanted one number a leaf, found vectors; train with multi_strategy=\"one_output_per_tree\"");
  }
  if (found.has_categories) {
    throw_error(ErrorKind::config,
                "wanted numeric features, found categorical ones, whose codes are known to the trainer only; "
                "encode categories as numbers in the pipeline and train without enable_categorical");
  }
}

XgboostTask task_of(const XgboostHeader& header) {
  const auto found = objectives().find(header.objective);
  if (found != objectives().end()) return found->second;
  std::string names;
  for (const auto& [name, task] : objectives()) names.append(names.empty() ? "" : ", ").append(name);
  throw_error(
      ErrorKind::config,
      "the objective '{}' is not known to predict the same numbers here; those that do are {}; train with "
      "one of them, or load the model in Python and hand the object over",
      header.objective, names);
}

void read_parameters(HeaderVisitor& found) {
  XgboostHeader& header = found.header;
  const auto count = [&found](const char* name, std::size_t otherwise) {
    const auto entry = found.parameters.find(name);
    return entry == found.parameters.end() ? otherwise : parsed<std::size_t>(entry->second, name);
  };
  for (const auto& [name, value] : found.parameters) {
    if (name != "base_score" && name != "boost_from_average" && name != "num_class" &&
        name != "num_feature" && name != "num_target") {
      throw_error(
          ErrorKind::config,
          "the model of version {}.{} has the parameter {} = '{}', which this XGBoost would skip; train "
          "it with an older version",
          header.version[0], header.version[1], name, value);
    }
  }
  header.features = count("num_feature", 0);
  const std::size_t classes = count("num_class", 0);
  header.classes = header.task == XgboostTask::classes || header.task == XgboostTask::labels ? classes : 0;
  if (const std::size_t targets = count("num_target", 1); targets > 1) {
    throw_error(ErrorKind::config,
                "wanted a model with one output, found num_target = {}; train one model for each", targets);
  }
  header.base_scores = split_scores(found.parameters["base_score"]);
  const std::size_t scores = header.base_scores.size();
  if (scores != 1 && (header.classes == 0 || scores != header.classes)) {
    throw_error(ErrorKind::config, "wanted one base_score{}, found {} ('{}'); train with base_score=0.5",
                header.classes == 0 ? "" : " or one a class", scores, found.parameters["base_score"]);
  }
  if (!found.best_iteration.empty())
    header.best_iteration = parsed<int>(found.best_iteration, "best_iteration");
}

}  // namespace

XgboostHeader read_xgboost_header(std::string_view bytes) {
  HeaderVisitor found;
  walk_document(bytes, found);
  check_structure(found);
  found.header.task = task_of(found.header);
  read_parameters(found);
  found.trees.finish(found.header.features, std::max<std::size_t>(found.header.classes, 1));
  return std::move(found.header);
}

}  // namespace tiderace
