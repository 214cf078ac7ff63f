#include <array>
#include <string>
#include <string_view>

#include "base/error.h"
#include "expr/expression.h"
#include "expr/text/spelling.h"

namespace tiderace {
namespace {

constexpr KindMask boolean_mask = mask_of(Kind::boolean);
constexpr KindMask integer_mask = boolean_mask | mask_of(Kind::int64);
constexpr KindMask float_mask = mask_of(Kind::float64);
constexpr KindMask string_mask = mask_of(Kind::string);

constexpr KindMask join(KindMask a, KindMask b) {
  return static_cast<KindMask>(a | b);
}
constexpr KindMask only(KindMask a, KindMask b) {
  return static_cast<KindMask>(a & b);
}

/// `int64 or float64`.
std::string kinds_text(KindMask mask) {
  std::string text;
  for (unsigned bit = 1; bit <= mask; bit <<= 1) {
    if ((mask & bit) != 0)
      text += (text.empty() ? "" : " or ") + std::string(to_string(static_cast<Kind>(bit)));
  }
  return text;
}

struct Inference {
  const KnownKinds& known;

  [[nodiscard]] KindMask of(const ExpressionPtr& expression) const {
    return std::visit(*this, expression->node);
  }

  /// The kinds of `argument`, of which at least one must be `wanted` unless it is always null.
  KindMask checked(const ExpressionPtr& argument, KindMask wanted, std::string_view operation,
                   std::string_view what, std::string_view advice) const {
    const KindMask found = of(argument);
    if (found != 0 && only(found, wanted) == 0) {
      throw_error(ErrorKind::plan, "{}: wanted {}, but {} is always {}; {}", operation, what,
                  to_text(*argument), kinds_text(found), advice);
    }
    return found;
  }
  KindMask number(const ExpressionPtr& argument, std::string_view operation) const {
    return only(checked(argument, number_mask, operation, "a number",
                        "convert it with .astype(\"float64\") or take another column"),
                number_mask);
  }
  KindMask string(const ExpressionPtr& argument, std::string_view operation) const {
    return checked(argument, string_mask, operation, "a string",
                   "convert it with .astype(\"string\") or take another column");
  }
  KindMask boolean(const ExpressionPtr& argument, std::string_view operation) const {
    return checked(argument, boolean_mask, operation, "a boolean",
                   "compare it, for example with != 0, or convert it with .astype(\"bool\")");
  }

  KindMask operator()(const Literal& node) const {
    constexpr std::array<KindMask, 5> kinds{0, boolean_mask, mask_of(Kind::int64), float_mask, string_mask};
    return kinds[node.value.index()];
  }
  KindMask operator()(const ColumnReference& node) const { return only(known.of(node), any_mask); }

  KindMask operator()(const Unary& node) const {
    const std::string_view name = spelling(node.op);
    switch (node.op) {
      case UnaryOperator::negate:
      case UnaryOperator::absolute:
        return kept(number(node.argument, name));
      case UnaryOperator::sqrt:
      case UnaryOperator::exp:
      case UnaryOperator::log:
        return number(node.argument, name) == 0 ? KindMask{0} : float_mask;
      case UnaryOperator::invert:
        return only(boolean(node.argument, name), boolean_mask);
      case UnaryOperator::is_null:
      case UnaryOperator::not_null:
        static_cast<void>(of(node.argument));
        return boolean_mask;
      case UnaryOperator::lower:
      case UnaryOperator::upper:
        return only(string(node.argument, name), string_mask);
      case UnaryOperator::length:
        return string(node.argument, name) == 0 ? KindMask{0} : mask_of(Kind::int64);
    }
    return any_mask;
  }

  KindMask operator()(const Binary& node) const {
    const std::string_view name = spelling(node.op);
    if (node.op <= BinaryOperator::power) {
      const KindMask left = number(node.left, name);
      const KindMask right = number(node.right, name);
      if (left == 0 || right == 0) return 0;
      const bool integers = only(left, integer_mask) != 0 && only(right, integer_mask) != 0;
      // Ints may become float64 where a result is beyond int64.
      return integers && node.op != BinaryOperator::divide ? join(mask_of(Kind::int64), float_mask)
                                                           : float_mask;
    }
    if (node.op <= BinaryOperator::greater_equal) return ordering(node.left, node.right, name);
    if (node.op <= BinaryOperator::not_equal)
      return of(node.left) == 0 || of(node.right) == 0 ? KindMask{0} : boolean_mask;
    static_cast<void>(boolean(node.left, name));
    static_cast<void>(boolean(node.right, name));
    return boolean_mask;
  }

  KindMask operator()(const Where& node) const {
    static_cast<void>(boolean(node.condition, "where"));
    return join(of(node.then), of(node.otherwise));
  }
  KindMask operator()(const FillNull& node) const { return join(of(node.argument), of(node.value)); }
  KindMask operator()(const IsIn& node) const {
    static_cast<void>(of(node.argument));
    return boolean_mask;
  }
  KindMask operator()(const Between& node) const {
    return join(ordering(node.argument, node.low, "between"), ordering(node.argument, node.high, "between"));
  }

  KindMask operator()(const Clip& node) const {
    const KindMask argument = number(node.argument, "clip");
    KindMask bounds = 0;
    if (node.lower) bounds = join(bounds, number(node.lower, "clip"));
    if (node.upper) bounds = join(bounds, number(node.upper, "clip"));
    if (argument == 0) return 0;
    const KindMask integers = only(argument, integer_mask) != 0 ? mask_of(Kind::int64) : KindMask{0};
    return join(integers, only(join(argument, bounds), float_mask));
  }

  KindMask operator()(const Round& node) const {
    const KindMask argument = number(node.argument, "round");
    // Rounding to tens and more can lead beyond int64, to places it cannot.
    if (node.decimals < 0) return kept(argument);
    return join(only(argument, integer_mask) != 0 ? mask_of(Kind::int64) : KindMask{0},
                only(argument, float_mask));
  }

  KindMask operator()(const Cast& node) const {
    const KindMask found = of(node.argument);
    const KindMask convertible = node.kind == Kind::string ? any_mask : join(number_mask, string_mask);
    if (found != 0 && only(found, convertible) == 0) {
      throw_error(ErrorKind::plan,
                  "astype(\"{}\"): cannot convert {}, which is always {}; take a value inside it by its path",
                  to_string(node.kind), to_text(*node.argument), kinds_text(found));
    }
    return found == 0 ? KindMask{0} : mask_of(node.kind);
  }

  KindMask operator()(const Match& node) const {
    return string(node.argument, spelling(node.kind)) == 0 ? KindMask{0} : boolean_mask;
  }

 private:
  /// Of a number that stays what it is, an int beyond int64 apart.
  static KindMask kept(KindMask argument) {
    if (only(argument, integer_mask) != 0) return join(mask_of(Kind::int64), float_mask);
    return only(argument, float_mask);
  }

  /// Two sides can be ordered if some kind, or some kind of number, can stand on both.
  KindMask ordering(const ExpressionPtr& left, const ExpressionPtr& right, std::string_view name) const {
    const KindMask a = of(left);
    const KindMask b = of(right);
    if (a == 0 || b == 0) return 0;
    const bool numbers = only(a, number_mask) != 0 && only(b, number_mask) != 0;
    constexpr KindMask texts = string_mask | mask_of(Kind::bytes);
    if (!numbers && only(only(a, b), texts) == 0) {
      throw_error(ErrorKind::plan,
                  "{}: wanted two values of one kind, but {} is always {} and {} is always {}; convert one "
                  "with .astype(...)",
                  name, to_text(*left), kinds_text(a), to_text(*right), kinds_text(b));
    }
    return boolean_mask;
  }
};

}  // namespace

KindMask infer_kinds(const Expression& expression, const KnownKinds& known) {
  return std::visit(Inference{known}, expression.node);
}

}  // namespace tiderace
