#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "columnar/batch.h"

namespace tiderace {

/// Code of the user that the engine calls. Called on the task's worker thread, once a batch. The engine never
/// looks inside; a call that fails makes rows bad, it does not throw.

/// The state that a stateful function sees: any JSON value under a name, per key. Changes of a row whose call
/// fails are undone.
class FunctionState {
 public:
  virtual ~FunctionState() = default;
  /// Selects the key that the other calls speak of, and starts a row.
  virtual void begin(KeyId key) = 0;
  /// Undoes what was set and erased since `begin`.
  virtual void undo() = 0;
  /// JSON text; valid until the next call.
  [[nodiscard]] virtual std::optional<std::string_view> get(std::string_view name) = 0;
  virtual void set(std::string_view name, std::string_view json) = 0;
  virtual void erase(std::string_view name) = 0;
};

/// Called row by row with the whole row as JSON text (an object; infinities are spelled `Infinity` and
/// `-Infinity`).
class RowFunction {
 public:
  virtual ~RowFunction() = default;
  /// Calls the user's function for every row and sets every row of `results` (null for a row with an error).
  /// What a result means is up to the step: a new row is Kind::nested (JSON text of an object), a filter
  /// wants a boolean, a value may be of any kind. `state` is null for a stateless function; otherwise call
  /// `begin(keys[i])` before row i and `undo` if it fails. Returns how many infinities inside lists and
  /// objects became null, since JSON has none.
  virtual std::uint64_t call(std::span<const std::string_view> rows, std::span<const KeyId> keys,
                             FunctionState* state, ColumnBuilder& results, RowErrors& errors) = 0;
};

/// Called value by value: `sdf["x"].apply(f)`. Nulls are handed over too. Returns as RowFunction.
class ValueFunction {
 public:
  virtual ~ValueFunction() = default;
  virtual std::uint64_t call(const Column& values, ColumnBuilder& results, RowErrors& errors) = 0;
};

/// Why a call with a batch failed.
struct CallFailure {
  std::string message;
  /// The answer does not fit the rows it was asked for (their number, its columns): all of them are bad.
  /// Otherwise the halves of the batch are tried by themselves, down to the rows that fail alone. An answer
  /// that does not fit is not tried so: a model that always says `[1]` would be right for every single row.
  bool whole_call = false;
};

/// Calls `call(begin, end)` for the rows [begin, end) and whatever parts of them a failure asks for, in
/// order; `bad(row, message)` for the rows that fail.
template <class Call, class Bad>
void call_in_parts(std::size_t begin, std::size_t end, const Call& call, const Bad& bad) {
  const std::optional<CallFailure> failure = call(begin, end);
  if (!failure) return;
  if (failure->whole_call || end - begin == 1) {
    for (std::size_t row = begin; row < end; ++row) bad(row, failure->message);
    return;
  }
  const std::size_t middle = begin + (end - begin) / 2;
  call_in_parts(begin, middle, call, bad);
  call_in_parts(middle, end, call, bad);
}

struct NamedColumn {
  std::string name;
  Column column;
  /// What it is a column of where it has no value: user code must not see a type that depends on the batch.
  Kind when_empty = Kind::null;
};

/// Called with whole columns, all of the same length: `map_batches`.
class BatchFunction {
 public:
  virtual ~BatchFunction() = default;
  /// Either fills `results` (each column as long as the input) or returns why the call failed.
  [[nodiscard]] virtual std::optional<CallFailure> call(std::span<const NamedColumn> columns,
                                                        std::vector<NamedColumn>& results) = 0;
};

/// Rows of features, row-major; nulls are NaN.
struct FeatureMatrix {
  std::span<const double> values;
  std::size_t rows = 0;
  std::size_t columns = 0;
  std::span<const std::string> names;  ///< of the columns, in order
};

/// A column that a model is given, and the kinds that it may hold as far as the plan knows.
struct Feature {
  std::string name;
  KindMask kinds = any_mask;
};

/// A trained model: features in, one value a row out.
class Model {
 public:
  virtual ~Model() = default;
  /// Why it cannot take these features, as far as it knows; asked while the plan is built.
  [[nodiscard]] virtual std::optional<std::string> mismatch(std::span<const Feature> /*features*/) const {
    return std::nullopt;
  }
  /// Sets every row of `predictions` (made with `features.rows` rows), or returns why the call failed.
  [[nodiscard]] virtual std::optional<CallFailure> predict(const FeatureMatrix& features,
                                                           ColumnBuilder& predictions) = 0;
  /// What `app.explain()` prints, for example `shaking.ubj`.
  [[nodiscard]] virtual std::string name() const = 0;
  /// Whether a prediction depends on nothing but its row, and `predict` may be called by several threads at
  /// once.
  [[nodiscard]] virtual bool pure() const { return false; }
};

/// What `Model::mismatch` says of a model that was trained on `trained_on` features: nothing, if `found` has
/// as many, under `trained_names` where it knows them.
[[nodiscard]] std::optional<std::string> feature_mismatch(const std::string& model, std::size_t trained_on,
                                                          std::span<const std::string> trained_names,
                                                          std::span<const Feature> found);

/// `model` under `name`, trained on `trained`: each of one kind (boolean, int64 or float64). Its `mismatch`
/// tells features that are missing, renamed, in another order or of a kind that theirs does not take in, and
/// then what `model` says itself.
[[nodiscard]] std::shared_ptr<Model> with_features(std::shared_ptr<Model> model, std::string name,
                                                   std::vector<Feature> trained);

}  // namespace tiderace
