#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "columnar/batch.h"
#include "expr/evaluate.h"
#include "formats/json/decoder.h"
#include "formats/json/encoder.h"
#include "models/model_versions.h"
#include "plan/plan.h"

namespace tiderace {

/// The fields that the steps after a reader of raw rows ask for: the source, or a row function that made new
/// rows.
struct ReadFields {
  std::vector<JsonField> fields;
  std::vector<std::string> spans;
};

constexpr std::size_t no_model = SIZE_MAX;

/// A model with versions that a stage uses.
struct ResolvedModel {
  std::shared_ptr<ModelVersions> versions;
  std::string header;  ///< of records: `tiderace.model.shaking`, `tiderace.shadow.shaking`
  std::string state;   ///< what the version in use is stored under; empty: it never changes
};

/// One step of a stage with every name resolved to a slot. Immutable; shared by the tasks of the stage.
struct ResolvedStep {
  NodePtr node;
  int number = 0;                     ///< as `explain` prints it
  std::string text;                   ///< as `explain` prints it
  std::size_t input = 0;              ///< the step whose rows it takes; its own index for the source
  std::vector<std::size_t> children;  ///< the steps that take its rows
  std::vector<Slot> inputs;           ///< the columns that it reads, in the order of its node
  std::vector<KindMask> input_kinds;  ///< what is known of the kinds of `inputs` (any_mask: nothing)
  std::vector<Slot> outputs;          ///< the columns that it sets, in the order of its node
  std::vector<Slot> live;             ///< the slots that steps after it read
  std::vector<Slot> live_before;      ///< the slots that it or steps after it read: `live` of its input
  std::shared_ptr<const Evaluator> evaluator;  ///< of a filter or an assignment
  std::vector<Rolling> merged;    ///< rolling steps that share this step's buffer, this one first
  RowLayout layout;               ///< of the rows that come in, for steps that need whole rows
  std::size_t model = no_model;   ///< of a prediction whose model has versions: index into `models`
  std::size_t shadow = no_model;  ///< the same of its shadow
  std::vector<std::size_t>
      models_before;        ///< of a step that writes rows: those whose predictions are in them
  bool int64_only = false;  ///< an assignment to a column declared int64: overflow makes rows bad
  bool needs_key = false;   ///< rows without a key are bad here
  /// What its state is stored under: what the step says, or its `name=` with whatever the stored bytes depend
  /// on, so that a step which keeps its name and changes otherwise starts anew.
  std::string state;
  std::size_t reads = SIZE_MAX;  ///< index into `ResolvedStage::reads` for a step that makes raw rows
};

/// What reaches the end of a backtested frame.
struct ResolvedOutput {
  struct Field {
    std::string name;
    Slot slot = no_slot;  ///< no_slot: the table's own column, untouched
    std::size_t table_column = 0;
  };
  std::size_t step = 0;
  bool raw = false;  ///< rows are documents that a row function returned; `layout` writes them
  std::vector<Field> fields;
  RowLayout layout;
};

/// A source and all that is done with its rows.
struct ResolvedStage {
  std::shared_ptr<const Topic> topic;
  std::vector<ResolvedStep> steps;  ///< a step comes after its input; the first is the source
  std::vector<ReadFields> reads;    ///< the first is the source's
  std::size_t slots = 0;
  Slot timestamp = no_slot;         ///< of the topic's timestamp field
  bool needs_keys = false;          ///< some step keeps state per key
  std::vector<std::string> states;  ///< `ResolvedStep::state` of the steps that keep some
  std::vector<ResolvedModel> models;
  std::optional<ResolvedOutput> output;  ///< of a backtest
};

/// Resolves what hangs on `source` and leads to one of `ends`. Throws Error{plan} for what only the whole
/// shows: one state name in two branches.
[[nodiscard]] ResolvedStage resolve_stage(const NodePtr& source, const std::vector<NodePtr>& ends);

/// The same for a backtest: the rows come from a table of `columns`, and `frame` is asked for.
[[nodiscard]] ResolvedStage resolve_backtest(const NodePtr& frame, const std::vector<std::string>& columns);

/// The source at the root of `node`.
[[nodiscard]] NodePtr source_of(const NodePtr& node);

}  // namespace tiderace
