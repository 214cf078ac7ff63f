#include "expr/evaluate.h"

#include <optional>
#include <utility>

#include "base/error.h"
#include "columnar/invalid.h"
#include "expr/arithmetic.h"
#include "expr/cast.h"
#include "expr/compare.h"
#include "expr/logic.h"
#include "expr/numeric.h"
#include "expr/text/spelling.h"
#include "expr/text/strings.h"

namespace tiderace {

namespace {

using SlotOf = std::function<Slot(const ColumnReference&)>;

/// A node and what was made ready for it. `arguments` are its parts in the order of its fields, absent bounds
/// of a clip left out.
struct PreparedNode {
  ExpressionPtr expression;
  std::vector<PreparedNode> arguments;
  Slot slot = no_slot;
  Column constant;
  std::optional<MemberSet> members;
  std::optional<Matcher> matcher;
};

Column constant_column(const Scalar& scalar) {
  ColumnBuilder out(1);
  struct Setter {
    ColumnBuilder& out;
    void operator()(std::monostate) const { out.set_null(0); }
    void operator()(bool value) const { out.set_boolean(0, value); }
    void operator()(std::int64_t value) const { out.set_int64(0, value); }
    void operator()(double value) const { out.set_float64(0, value); }
    void operator()(const std::string& value) const { out.set_text(0, Kind::string, value); }
  };
  std::visit(Setter{out}, scalar);
  return Column(std::move(out));
}

/// pandas exchanges constant bounds that are the wrong way round.
bool bounds_cross(const Clip& node) {
  if (!node.lower || !node.upper) return false;
  const auto* const lower = std::get_if<Literal>(&node.lower->node);
  const auto* const upper = std::get_if<Literal>(&node.upper->node);
  if (lower == nullptr || upper == nullptr) return false;
  const Column low = constant_column(lower->value);
  const Column high = constant_column(upper->value);
  if (!is_number(low.kind(0)) || !is_number(high.kind(0))) return false;
  return compare_numbers(low.kind(0), low.values()[0], high.kind(0), high.values()[0]) > 0;
}

struct Preparation {
  PreparedNode& out;
  const SlotOf& slot_of;

  void argument(const ExpressionPtr& part) const {
    PreparedNode& prepared = out.arguments.emplace_back();
    prepared.expression = part;
    std::visit(Preparation{prepared, slot_of}, part->node);
  }

  void operator()(const Literal& node) const { out.constant = constant_column(node.value); }
  void operator()(const ColumnReference& node) const { out.slot = slot_of(node); }
  void operator()(const Unary& node) const { argument(node.argument); }
  void operator()(const Binary& node) const {
    argument(node.left);
    argument(node.right);
  }
  void operator()(const Where& node) const {
    argument(node.condition);
    argument(node.then);
    argument(node.otherwise);
  }
  void operator()(const FillNull& node) const {
    argument(node.argument);
    argument(node.value);
  }
  void operator()(const IsIn& node) const {
    argument(node.argument);
    out.members.emplace(node.values);
  }
  void operator()(const Between& node) const {
    argument(node.argument);
    argument(node.low);
    argument(node.high);
  }
  void operator()(const Clip& node) const {
    argument(node.argument);
    if (node.lower) argument(bounds_cross(node) ? node.upper : node.lower);
    if (node.upper) argument(bounds_cross(node) ? node.lower : node.upper);
  }
  void operator()(const Round& node) const { argument(node.argument); }
  void operator()(const Cast& node) const {
    TIDERACE_CHECK(in(node.kind, number_mask | mask_of(Kind::string)));
    argument(node.argument);
  }
  void operator()(const Match& node) const {
    argument(node.argument);
    out.matcher.emplace(node);
  }
};

/// One call of `evaluate`: walks the tree, children first, and gives every node's operand.
struct Evaluation {
  const Batch& batch;
  RowErrors& errors;

  [[nodiscard]] std::size_t size() const { return batch.size(); }
  [[nodiscard]] Operand operand(const PreparedNode& prepared) const {
    return std::visit([&](const auto& node) { return of(node, prepared); }, prepared.expression->node);
  }
  /// Argument `k` as one row a row of the batch: for kernels of one column.
  [[nodiscard]] Operand column(const PreparedNode& prepared, std::size_t k) const {
    Operand found = operand(prepared.arguments[k]);
    return found.constant() ? Operand(expanded(found, size())) : found;
  }
  /// Arguments `k` and `k + 1`, not both constant: for kernels of two.
  [[nodiscard]] std::pair<Operand, Operand> pair(const PreparedNode& prepared) const {
    Operand left = operand(prepared.arguments[0]);
    Operand right = operand(prepared.arguments[1]);
    if (left.constant() && right.constant()) left = Operand(expanded(left, size()));
    return {std::move(left), std::move(right)};
  }

  Operand of(const Literal&, const PreparedNode& prepared) const { return Operand(prepared.constant, true); }

  Operand of(const ColumnReference&, const PreparedNode& prepared) const {
    const Column& column = batch.columns[prepared.slot];
    TIDERACE_CHECK(column.size() == size());
    if ((column.mask() & invalid_mask) == 0) return Operand(column);
    const Column sound = without_invalid(column);
    return Operand(sound);
  }

  Operand of(const Unary& node, const PreparedNode& prepared) const {
    const Operand argument = column(prepared, 0);
    switch (node.op) {
      case UnaryOperator::negate:
      case UnaryOperator::absolute:
      case UnaryOperator::sqrt:
      case UnaryOperator::exp:
      case UnaryOperator::log:
        return Operand(numeric_unary(node.op, argument, errors));
      case UnaryOperator::invert:
        return Operand(invert(argument, errors));
      case UnaryOperator::is_null:
      case UnaryOperator::not_null:
        return Operand(null_test(argument, node.op == UnaryOperator::is_null));
      case UnaryOperator::lower:
      case UnaryOperator::upper:
      case UnaryOperator::length:
        return Operand(string_unary(node.op, argument, errors));
    }
    return argument;
  }

  Operand of(const Binary& node, const PreparedNode& prepared) const {
    const auto [left, right] = pair(prepared);
    if (node.op <= BinaryOperator::power) return Operand(arithmetic(node.op, left, right, size(), errors));
    if (node.op <= BinaryOperator::not_equal) return Operand(compare(node.op, left, right, size(), errors));
    return Operand(kleene(node.op, left, right, size(), errors));
  }

  Operand of(const Where&, const PreparedNode& prepared) const {
    const Buffer<Branch> chosen = branches(operand(prepared.arguments[0]), size(), errors);
    return Operand(branched(chosen, prepared.arguments[1], prepared.arguments[2]));
  }

  Operand of(const FillNull&, const PreparedNode& prepared) const {
    const Operand argument = column(prepared, 0);
    if (!argument.column().has_null()) return argument;
    // A value that is not needed is not judged, as with the branch of `where` that is not taken.
    Buffer<Branch> chosen(size());
    for (std::size_t i = 0; i < size(); ++i) {
      chosen[i] = argument.column().is_null(i) ? Branch::otherwise : Branch::then;
    }
    const Operand value = judged(prepared.arguments[1], chosen, Branch::otherwise);
    return Operand(choose(chosen, argument, value));
  }

  Operand of(const IsIn&, const PreparedNode& prepared) const {
    return Operand(prepared.members->contains(column(prepared, 0)));
  }

  Operand of(const Between&, const PreparedNode& prepared) const {
    const Operand argument = column(prepared, 0);
    const Operand low = operand(prepared.arguments[1]);
    const Operand high = operand(prepared.arguments[2]);
    const Operand above(compare(BinaryOperator::greater_equal, argument, low, size(), errors));
    const Operand below(compare(BinaryOperator::less_equal, argument, high, size(), errors));
    return Operand(kleene(BinaryOperator::logical_and, above, below, size(), errors));
  }

  Operand of(const Clip& node, const PreparedNode& prepared) const {
    const Operand argument = column(prepared, 0);
    std::optional<Operand> lower;
    std::optional<Operand> upper;
    if (node.lower) lower = operand(prepared.arguments[1]);
    if (node.upper) upper = operand(prepared.arguments.back());
    return Operand(clip(argument, lower ? &*lower : nullptr, upper ? &*upper : nullptr, size(), errors));
  }

  Operand of(const Round& node, const PreparedNode& prepared) const {
    return Operand(round_to(column(prepared, 0), node.decimals, errors));
  }

  Operand of(const Cast& node, const PreparedNode& prepared) const {
    return Operand(cast(column(prepared, 0), node.kind, errors));
  }

  Operand of(const Match&, const PreparedNode& prepared) const {
    return Operand(prepared.matcher->matches(column(prepared, 0), errors));
  }

 private:
  /// `prepared`, with the errors of those rows alone that take `branch`.
  [[nodiscard]] Operand judged(const PreparedNode& prepared, const Buffer<Branch>& chosen,
                               Branch branch) const {
    RowErrors found;
    Operand result = Evaluation{batch, found}.operand(prepared);
    if (!found.empty()) {
      Buffer<bool> taken(size());
      for (std::size_t i = 0; i < size(); ++i) taken[i] = chosen[i] == branch;
      errors.merge(std::move(found), {taken.data(), taken.size()});
    }
    return result;
  }

  [[nodiscard]] Column branched(const Buffer<Branch>& chosen, const PreparedNode& then,
                                const PreparedNode& otherwise) const {
    const Operand first = judged(then, chosen, Branch::then);
    return choose(chosen, first, judged(otherwise, chosen, Branch::otherwise));
  }

  /// `column` with null for its invalid values, each reported as what it says.
  [[nodiscard]] Column without_invalid(const Column& column) const {
    const std::size_t rows = size();
    const Column nothing = Column::nulls(1);
    Buffer<Branch> chosen(rows);
    for (std::size_t i = 0; i < rows; ++i) {
      const bool bad = column.kind(i) == Kind::invalid;
      chosen[i] = bad ? Branch::otherwise : Branch::then;
      if (!bad) continue;
      const InvalidView view = invalid_view(column, i);
      errors.add(i, view.kind, std::string(view.message));
    }
    return choose(chosen, Operand(column), Operand(nothing, true));
  }
};

}  // namespace

struct Evaluator::Prepared {
  PreparedNode root;
};

Evaluator::Evaluator(ExpressionPtr expression, const SlotOf& slot_of) {
  Prepared prepared;
  prepared.root.expression = std::move(expression);
  std::visit(Preparation{prepared.root, slot_of}, prepared.root.expression->node);
  prepared_ = std::make_unique<const Prepared>(std::move(prepared));
}

Evaluator::~Evaluator() = default;
Evaluator::Evaluator(Evaluator&&) noexcept = default;
Evaluator& Evaluator::operator=(Evaluator&&) noexcept = default;

Column Evaluator::evaluate(const Batch& batch, RowErrors& errors) const {
  return expanded(Evaluation{batch, errors}.operand(prepared_->root), batch.size());
}

std::vector<std::uint32_t> true_rows(const Column& mask, RowErrors& errors) {
  const std::size_t size = mask.size();
  std::vector<std::uint32_t> rows(size);
  std::size_t count = 0;
  const bool booleans = (mask.mask() & ~mask_of(Kind::boolean)) == 0;
  for (std::size_t i = 0; i < size; ++i) {
    if (!booleans && !mask.is_null(i) && mask.kind(i) != Kind::boolean) {
      report_type(errors, i, "filter", "a boolean", Operand(mask));
      continue;
    }
    // Payloads of nulls are 0, so a null is never kept.
    rows[count] = static_cast<std::uint32_t>(i);
    count += mask.boolean(i) ? 1 : 0;
  }
  rows.resize(count);
  return rows;
}

}  // namespace tiderace
