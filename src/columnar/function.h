#pragma once

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
  /// `begin(keys[i])` before row i and `undo` if it fails.
  virtual void call(std::span<const std::string_view> rows, std::span<const KeyId> keys, FunctionState* state,
                    ColumnBuilder& results, RowErrors& errors) = 0;
};

/// Called value by value: `sdf["x"].apply(f)`. Nulls are handed over too.
class ValueFunction {
 public:
  virtual ~ValueFunction() = default;
  virtual void call(const Column& values, ColumnBuilder& results, RowErrors& errors) = 0;
};

struct NamedColumn {
  std::string name;
  Column column;
};

/// Called with whole columns, all of the same length: `map_batches`.
class BatchFunction {
 public:
  virtual ~BatchFunction() = default;
  /// Either fills `results` (each column as long as the input) or returns why the call failed; the caller
  /// then splits the batch.
  [[nodiscard]] virtual std::optional<std::string> call(std::span<const NamedColumn> columns,
                                                        std::vector<NamedColumn>& results) = 0;
};

}  // namespace tiderace
