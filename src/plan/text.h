#pragma once

#include <string>
#include <vector>

#include "expr/text/spelling.h"
#include "plan/plan.h"

namespace tiderace {

/// `["a", "b"]`.
[[nodiscard]] std::string quoted_list(const std::vector<std::string>& texts);

/// `app.topic("phone-data", timestamp="timestamp")`: the name and the options that differ from their
/// defaults.
[[nodiscard]] std::string to_text(const Topic& topic);
[[nodiscard]] std::string topic_text(const std::string& name, const TopicOptions& given);

/// `.rolling("10s", grace="2s")`, as it is called.
[[nodiscard]] std::string rolling_call(const Rolling& rolling);
/// `.mean()`, `.std(ddof=0)`.
[[nodiscard]] std::string aggregate_call(Aggregate aggregate, int ddof);
/// `.diff()`, `.shift(2)`.
[[nodiscard]] std::string shift_call(const Shift& shift);

/// Which model it is, by which of its methods.
[[nodiscard]] std::string model_identity(const PlannedModel& model);

/// A reference as it stands in an expression: `sdf["gps"]["lat"]`, or the text of the expression that made a
/// hidden column.
[[nodiscard]] std::string to_text(const ColumnReference& reference);
/// The same for something that a method is called on: in parentheses where it asks for them, `(sdf["a"] +
/// 1)`.
[[nodiscard]] std::string receiver(const ColumnReference& reference);

}  // namespace tiderace
