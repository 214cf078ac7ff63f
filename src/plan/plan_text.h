#pragma once

#include <span>
#include <string>
#include <vector>

#include "plan/plan.h"

namespace tiderace {

/// One statement of a plan, as users wrote it, and the nodes that it became: `sdf["m"] =
/// sdf["x"].rolling("10s").mean()` is a hidden Rolling and an Assign.
struct PlanLine {
  std::string text;
  std::vector<NodePtr> nodes;
  std::size_t after =
      0;  ///< the number of the line whose frame it goes on from (lines count from 1); 0 for a source
};

/// The statements that lead to `ends`, each once: a line that several ends share stands before the first of
/// them.
[[nodiscard]] std::vector<PlanLine> plan_lines(std::span<const NodePtr> ends);

/// The plan that leads to `ends` as numbered lines, for people. A line that does not go on from the one above
/// says from where.
[[nodiscard]] std::string explain_plan(std::span<const NodePtr> ends);

/// The plan as a program. `parse_plan` of it, in another application, builds equal nodes; Python runs it.
[[nodiscard]] std::string plan_text(std::span<const NodePtr> ends);

}  // namespace tiderace
