#pragma once

#include <tiderace/topic.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "columnar/aggregate.h"
#include "expr/expression.h"

namespace tiderace {

class BatchFunction;
class Model;
class RowFunction;
class ValueFunction;
class VersionedModel;

/// The plan of one dataframe is a tree of immutable nodes, each pointing to its input; the leaves are topics,
/// the ends are `ToTopic`, `Print`, or whatever frame a backtest asks for. It holds no data and nothing that
/// runs.
struct Node;
using NodePtr = std::shared_ptr<const Node>;

struct Source {
  std::shared_ptr<const Topic> topic;
};

struct Filter {
  ExpressionPtr condition;
};

/// Sets column `name`. A hidden column is for other steps only and never part of a row.
struct Assign {
  std::string name;
  bool hidden = false;
  ExpressionPtr value;
};

struct Project {
  std::vector<std::string> columns;
};

struct Drop {
  std::vector<std::string> columns;
};

struct Rename {
  std::vector<std::pair<std::string, std::string>> columns;  ///< old, new
};

/// What to do with a late row beyond counting it: keep it with null (the default), drop it, write it to a
/// topic, call a function.
struct KeepLate {
  bool operator==(const KeepLate&) const = default;
};
struct DropLate {
  bool operator==(const DropLate&) const = default;
};
using OnLate = std::variant<KeepLate, DropLate, std::shared_ptr<const Topic>, std::shared_ptr<RowFunction>>;

/// A moving aggregate of one or more columns per key; appends `outputs`.
/// By time: the rows of the key in (t - window, t]. By rows: the last `window` rows in arrival order.
struct Rolling {
  struct Output {
    std::size_t column;  ///< index into `columns`
    Aggregate aggregate;
    std::string name;
    bool hidden = true;
  };
  std::vector<ColumnReference> columns;
  bool by_time = true;
  std::int64_t window = 0;  ///< nanoseconds, or rows
  std::int64_t grace_ns = 0;
  int min_periods = 1;
  int ddof = 1;
  OnLate on_late;
  std::vector<Output> outputs;
  std::string state_name;  ///< what its state belongs to: the user's name or kind, columns, window and grace
};

/// The value of `column` `periods` rows of the key ago (`difference`: this row's minus that one).
struct Shift {
  ColumnReference column;
  std::int64_t periods = 1;
  bool difference = false;
  std::string output;
  bool hidden = true;
  std::string state_name;
};

enum class RowMode : std::uint8_t { replace, value, filter, update };

/// The user's row function; `replace` and `update` give a new row, `value` column `output`, `filter` keeps or
/// drops.
struct ApplyRow {
  std::shared_ptr<RowFunction> function;
  RowMode mode = RowMode::replace;
  bool stateful = false;
  std::string output;
  bool hidden = true;
  std::string function_name;
  std::string state_name;
};

struct ApplyValue {
  std::shared_ptr<ValueFunction> function;
  ColumnReference column;
  std::string output;
  bool hidden = true;
  std::string function_name;
};

/// The user's batch function over `columns`; its one result becomes `output`, or, where that is empty, its
/// results are the new row.
struct MapBatches {
  std::shared_ptr<BatchFunction> function;
  std::vector<std::string> columns;
  std::string output;
  bool hidden = true;
  std::string function_name;
};

/// A model in this process, or one of which a registry has versions: one of the two is set.
struct PlannedModel {
  std::shared_ptr<Model> model;
  std::shared_ptr<VersionedModel> versions;
  std::string method;  ///< of `versions`
  std::string name;    ///< as `explain` prints it
};

/// `version_column`: visible, the version that gave the prediction; empty: none. The prediction of `shadow`
/// becomes `shadow_output`, which is visible where `shadow_hidden` is not set.
struct Predict {
  PlannedModel model;
  std::vector<ColumnReference> features;
  std::vector<std::string> feature_names;  ///< as the model sees them
  bool pass_nulls = false;
  std::string output;
  bool hidden = true;
  std::string version_column;
  std::optional<PlannedModel> shadow;
  std::string shadow_output;
  bool shadow_hidden = true;
};

struct ToTopic {
  std::shared_ptr<const Topic> topic;
  std::optional<ColumnReference> key;  ///< unset: the input's key
};

struct Print {
  int width = 15;
  bool live = false;
};

using Step = std::variant<Source, Filter, Assign, Project, Drop, Rename, Rolling, Shift, ApplyRow, ApplyValue,
                          MapBatches, Predict, ToTopic, Print>;

struct Node {
  Step step;
  NodePtr input;  ///< null for a source alone
};

/// `step` as users read it, in the syntax of the Python front end, for example `sdf["y"] = sdf["x"].abs()`.
[[nodiscard]] std::string to_text(const Step& step);

}  // namespace tiderace
