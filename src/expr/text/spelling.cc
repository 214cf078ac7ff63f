#include "expr/text/spelling.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cmath>

namespace tiderace {

std::string_view spelling(UnaryOperator op) noexcept {
  switch (op) {
    case UnaryOperator::negate:
      return "-";
    case UnaryOperator::invert:
      return "~";
    case UnaryOperator::absolute:
      return "abs";
    case UnaryOperator::sqrt:
      return "sqrt";
    case UnaryOperator::exp:
      return "exp";
    case UnaryOperator::log:
      return "log";
    case UnaryOperator::is_null:
      return "isnull";
    case UnaryOperator::not_null:
      return "notnull";
    case UnaryOperator::lower:
      return "str.lower";
    case UnaryOperator::upper:
      return "str.upper";
    case UnaryOperator::length:
      return "str.len";
  }
  return "?";
}

std::string_view spelling(BinaryOperator op) noexcept {
  switch (op) {
    case BinaryOperator::add:
      return "+";
    case BinaryOperator::subtract:
      return "-";
    case BinaryOperator::multiply:
      return "*";
    case BinaryOperator::divide:
      return "/";
    case BinaryOperator::floor_divide:
      return "//";
    case BinaryOperator::modulo:
      return "%";
    case BinaryOperator::power:
      return "**";
    case BinaryOperator::less:
      return "<";
    case BinaryOperator::less_equal:
      return "<=";
    case BinaryOperator::greater:
      return ">";
    case BinaryOperator::greater_equal:
      return ">=";
    case BinaryOperator::equal:
      return "==";
    case BinaryOperator::not_equal:
      return "!=";
    case BinaryOperator::logical_and:
      return "&";
    case BinaryOperator::logical_or:
      return "|";
  }
  return "?";
}

std::string_view spelling(MatchKind kind) noexcept {
  switch (kind) {
    case MatchKind::contains_regex:
    case MatchKind::contains_literal:
      return "str.contains";
    case MatchKind::starts_with:
      return "str.startswith";
    case MatchKind::ends_with:
      return "str.endswith";
  }
  return "?";
}

std::string to_text(const Scalar& value) {
  struct Printer {
    std::string operator()(std::monostate) const { return "None"; }
    std::string operator()(bool scalar) const { return scalar ? "True" : "False"; }
    std::string operator()(std::int64_t scalar) const { return fmt::format("{}", scalar); }
    std::string operator()(double scalar) const {
      if (std::isnan(scalar)) return "None";
      return std::isinf(scalar) ? fmt::format("float(\"{}\")", float_text(scalar)) : float_text(scalar);
    }
    std::string operator()(const std::string& scalar) const { return quoted(scalar); }
  };
  return std::visit(Printer{}, value);
}

}  // namespace tiderace
