#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cmath>
#include <string_view>

#include "expr/expression.h"
#include "expr/text/spelling.h"

namespace tiderace {
namespace {

/// How tightly Python binds an expression of some form; a part is put in parentheses where it binds less than
/// its place asks for.
enum Binding : int { comparison, bitwise_or, bitwise_and, sum, product, prefix, exponent, primary };

Binding binding_of(BinaryOperator op) {
  switch (op) {
    case BinaryOperator::add:
    case BinaryOperator::subtract:
      return sum;
    case BinaryOperator::multiply:
    case BinaryOperator::divide:
    case BinaryOperator::floor_divide:
    case BinaryOperator::modulo:
      return product;
    case BinaryOperator::power:
      return exponent;
    case BinaryOperator::less:
    case BinaryOperator::less_equal:
    case BinaryOperator::greater:
    case BinaryOperator::greater_equal:
    case BinaryOperator::equal:
    case BinaryOperator::not_equal:
      return comparison;
    case BinaryOperator::logical_and:
      return bitwise_and;
    case BinaryOperator::logical_or:
      return bitwise_or;
  }
  return primary;
}

struct Text {
  std::string text;
  Binding binding = primary;
};

Text print(const Expression& expression);

std::string part(const Expression& expression, Binding wanted) {
  Text printed = print(expression);
  return printed.binding < wanted ? fmt::format("({})", printed.text) : std::move(printed.text);
}

/// `argument.method(arguments)`. A literal is put in parentheses: `2.abs()` is not Python.
std::string method(const ExpressionPtr& argument, std::string_view name, const std::string& arguments = "") {
  const bool literal = std::holds_alternative<Literal>(argument->node);
  const std::string text = literal ? fmt::format("({})", to_text(*argument)) : part(*argument, primary);
  return fmt::format("{}.{}({})", text, name, arguments);
}

struct Printer {
  Text operator()(const Literal& node) const {
    std::string text = to_text(node.value);
    const Binding binding = text.front() == '-' ? prefix : primary;
    return {std::move(text), binding};
  }

  Text operator()(const ColumnReference& node) const {
    if (node.hidden) return {node.path.front(), primary};
    std::string text = "sdf";
    for (const std::string& name : node.path) text += fmt::format("[{}]", quoted(name));
    return {std::move(text), primary};
  }

  Text operator()(const Unary& node) const {
    switch (node.op) {
      case UnaryOperator::negate:
        return {negated(*node.argument), prefix};
      case UnaryOperator::invert:
        return {fmt::format("~{}", part(*node.argument, prefix)), prefix};
      default:
        return {method(node.argument, spelling(node.op)), primary};
    }
  }

  Text operator()(const Binary& node) const {
    const Binding binding = binding_of(node.op);
    // Comparisons chain and `**` binds to the right, so these ask for parentheses where others do not.
    const bool chains = binding == comparison;
    const Binding left = chains ? bitwise_or : binding == exponent ? primary : binding;
    const Binding right = chains ? bitwise_or : binding == exponent ? prefix : Binding(binding + 1);
    return {fmt::format("{} {} {}", part(*node.left, left), spelling(node.op), part(*node.right, right)),
            binding};
  }

  Text operator()(const Where& node) const {
    return {fmt::format("tr.where({}, {}, {})", to_text(*node.condition), to_text(*node.then),
                        to_text(*node.otherwise)),
            primary};
  }

  Text operator()(const FillNull& node) const {
    return {method(node.argument, "fillna", to_text(*node.value)), primary};
  }

  Text operator()(const IsIn& node) const {
    std::string list;
    for (const Scalar& value : node.values) list += (list.empty() ? "" : ", ") + to_text(value);
    return {method(node.argument, "isin", fmt::format("[{}]", list)), primary};
  }

  Text operator()(const Between& node) const {
    return {method(node.argument, "between", to_text(*node.low) + ", " + to_text(*node.high)), primary};
  }

  Text operator()(const Clip& node) const {
    std::string arguments = node.lower ? to_text(*node.lower) : "None";
    if (node.upper) arguments += ", " + to_text(*node.upper);
    return {method(node.argument, "clip", arguments), primary};
  }

  Text operator()(const Round& node) const {
    return {method(node.argument, "round", node.decimals == 0 ? "" : fmt::format("{}", node.decimals)),
            primary};
  }

  Text operator()(const Cast& node) const {
    return {method(node.argument, "astype", fmt::format("\"{}\"", to_string(node.kind))), primary};
  }

  Text operator()(const Match& node) const {
    const std::string arguments =
        quoted(node.pattern) + (node.kind == MatchKind::contains_literal ? ", regex=False" : "");
    return {method(node.argument, spelling(node.kind), arguments), primary};
  }

 private:
  /// `-2` is the literal; the negation of the literal 2 keeps its own form.
  static std::string negated(const Expression& argument) {
    if (std::holds_alternative<Literal>(argument.node)) return fmt::format("-({})", to_text(argument));
    return fmt::format("-{}", part(argument, prefix));
  }
};

Text print(const Expression& expression) {
  return std::visit(Printer{}, expression.node);
}

}  // namespace

std::string to_text(const Expression& expression) {
  return print(expression).text;
}

}  // namespace tiderace
