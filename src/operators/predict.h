#pragma once

#include <memory>

#include "operators/operator.h"
#include "operators/resolve/resolve.h"

namespace tiderace {

/// `model.predict(sdf[[...]])`: one call a batch. Rows with a null feature get null and are not put to the
/// model, unless the plan passes nulls on as NaN. A call that fails is split until only the rows that fail
/// alone are bad (kind model). Stateless.
[[nodiscard]] std::unique_ptr<Operator> make_predict(const ResolvedStep& step);

}  // namespace tiderace
