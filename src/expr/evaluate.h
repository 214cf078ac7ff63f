#pragma once

#include <functional>
#include <memory>

#include "columnar/batch.h"
#include "expr/expression.h"

namespace tiderace {

/// An expression made ready for batches: references resolved to slots, constants and regular expressions
/// prepared. Immutable; any thread. Values and errors of a row depend on that row alone, never on the batch
/// it is in.
class Evaluator {
 public:
  /// `slot_of` names the slot of every reference. A pattern that RE2 refuses throws Error{plan}.
  Evaluator(ExpressionPtr expression, const std::function<Slot(const ColumnReference&)>& slot_of);
  ~Evaluator();
  Evaluator(Evaluator&&) noexcept;
  Evaluator& operator=(Evaluator&&) noexcept;

  /// One value a row of `batch`. Rows that cannot be evaluated are added to `errors` (kind type or range) and
  /// get null.
  [[nodiscard]] Column evaluate(const Batch& batch, RowErrors& errors) const;

 private:
  struct Prepared;
  std::unique_ptr<const Prepared> prepared_;
};

/// The rows of `mask` that are true (a filter keeps only these); a value that is neither boolean nor null is
/// a type error.
[[nodiscard]] std::vector<std::uint32_t> true_rows(const Column& mask, RowErrors& errors);

}  // namespace tiderace
