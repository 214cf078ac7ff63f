#pragma once

#include <memory>

#include "operators/lower.h"

namespace tiderace {

/// `model.predict(sdf[[...]])`: one call a batch. Rows with a null feature get null and are not put to the
/// model, unless the plan passes nulls on as NaN. A call that fails is split until only the rows that fail
/// alone are bad (kind model). Stateless: the version of a model that has some is the task's affair.
///
/// A version that is to take over is called with the same rows, and its use told how that went; one that
/// takes rows that the present version fails on is named there, and what comes of it is the task's affair,
/// too. A shadow that fails costs no row more than its own prediction.
[[nodiscard]] std::unique_ptr<Operator> make_predict(const ResolvedStep& step,
                                                     const TaskResources& resources);

}  // namespace tiderace
