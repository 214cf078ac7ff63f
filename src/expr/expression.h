#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "columnar/kind.h"

namespace tiderace {

struct Expression;
using ExpressionPtr = std::shared_ptr<const Expression>;

/// A constant of an expression; monostate is null.
using Scalar = std::variant<std::monostate, bool, std::int64_t, double, std::string>;

struct Literal {
  Scalar value;
};

/// A column of the frame, or a value inside a nested one: `sdf["gps"]["lat"]` has the path {"gps", "lat"}. A
/// column that a step computed for the expression's own use (a rolling mean under an arithmetic operator) is
/// `hidden`; its name is the text of the expression that made it, so that printing the expression prints it
/// as the user wrote it.
struct ColumnReference {
  std::vector<std::string> path;
  bool hidden = false;
};

enum class UnaryOperator : std::uint8_t {
  negate,
  invert,
  absolute,
  sqrt,
  exp,
  log,
  is_null,
  not_null,
  lower,
  upper,
  length
};
struct Unary {
  UnaryOperator op;
  ExpressionPtr argument;
};

enum class BinaryOperator : std::uint8_t {
  add,
  subtract,
  multiply,
  divide,
  floor_divide,
  modulo,
  power,
  less,
  less_equal,
  greater,
  greater_equal,
  equal,
  not_equal,
  logical_and,
  logical_or
};
struct Binary {
  BinaryOperator op;
  ExpressionPtr left;
  ExpressionPtr right;
};

/// `tr.where(condition, then, otherwise)`; where the condition is null, it is not true.
struct Where {
  ExpressionPtr condition;
  ExpressionPtr then;
  ExpressionPtr otherwise;
};

struct FillNull {
  ExpressionPtr argument;
  ExpressionPtr value;
};

struct IsIn {
  ExpressionPtr argument;
  std::vector<Scalar> values;
};

struct Between {
  ExpressionPtr argument;
  ExpressionPtr low;
  ExpressionPtr high;
};

struct Clip {
  ExpressionPtr argument;
  ExpressionPtr lower;  ///< null: no bound
  ExpressionPtr upper;  ///< null: no bound
};

struct Round {
  ExpressionPtr argument;
  int decimals = 0;
};

struct Cast {
  ExpressionPtr argument;
  Kind kind;  ///< boolean, int64, float64 or string
};

enum class MatchKind : std::uint8_t { contains_regex, contains_literal, starts_with, ends_with };
struct Match {
  ExpressionPtr argument;
  MatchKind kind;
  std::string pattern;
};

struct Expression {
  std::variant<Literal, ColumnReference, Unary, Binary, Where, FillNull, IsIn, Between, Clip, Round, Cast,
               Match>
      node;
};

template <class Node>
[[nodiscard]] ExpressionPtr make_expression(Node node) {
  return std::make_shared<const Expression>(Expression{std::move(node)});
}

/// The expression in the syntax of the Python front end, fully parenthesised where precedence asks for it,
/// for example `sdf["a"].abs() + sdf["b"] * 2`. Parsing the text (see plan/parse) gives an equal expression.
[[nodiscard]] std::string to_text(const Expression& expression);

/// Every column reference in `expression`, in the order of first appearance, each once.
[[nodiscard]] std::vector<ColumnReference> references(const Expression& expression);

/// What is known of the kinds that an expression can give, given what is known of its columns (`any_mask` if
/// nothing is). Throws Error{plan} if it cannot work for any row (arithmetic on a column known to hold
/// strings), naming the operation.
class KnownKinds {
 public:
  virtual ~KnownKinds() = default;
  [[nodiscard]] virtual KindMask of(const ColumnReference& reference) const = 0;
};
[[nodiscard]] KindMask infer_kinds(const Expression& expression, const KnownKinds& known);

}  // namespace tiderace
