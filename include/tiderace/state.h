#pragma once

#include <tiderace/export.h>
#include <tiderace/row.h>

#include <string_view>

namespace TIDERACE_API tiderace {

class FunctionState;

/// What a stateful function remembers of the key of the row: any JSON value under a name.
///
/// ```cpp
/// sdf = sdf.update([](tr::Row& row, tr::State& state) {
///   const auto seen = state.get("seen", 0).get<std::int64_t>() + 1;
///   state.set("seen", seen);
///   row["seen"] = seen;
/// });
/// ```
///
/// *State*: kept with the rest of the key's state; what a call that throws has changed is undone. *Threads*:
/// valid during the call only.
class State {
 public:
  explicit State(FunctionState& state) : state_(&state) {}
  /// The value of that name, or `otherwise`.
  [[nodiscard]] Value get(std::string_view name, Value otherwise = {}) const;
  void set(std::string_view name, const Value& value);
  void erase(std::string_view name);
  [[nodiscard]] bool exists(std::string_view name) const;

 private:
  FunctionState* state_;
};

}  // namespace tiderace
