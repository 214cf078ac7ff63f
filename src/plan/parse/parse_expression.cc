#include <fmt/format.h>

#include <array>
#include <charconv>
#include <limits>

#include "expr/text/spelling.h"
#include "plan/parse/parser.h"

namespace tiderace::plan {
namespace {

constexpr int deepest = 200;

/// Counts the levels of recursion while it lives.
class Nested {
 public:
  Nested(int& level, Position position) : level_(level) {
    if (++level_ > deepest)
      refuse_text(position, fmt::format("an expression is nested at most {} levels deep", deepest));
  }
  ~Nested() { --level_; }
  Nested(const Nested&) = delete;
  Nested& operator=(const Nested&) = delete;

 private:
  int& level_;
};

struct Level {
  std::array<std::optional<BinaryOperator>, 6> operators;
};

using enum BinaryOperator;
constexpr std::array<Level, 5> levels{{
    {{less, less_equal, greater, greater_equal, equal, not_equal}},
    {{logical_or}},
    {{logical_and}},
    {{add, subtract}},
    {{multiply, divide, floor_divide, modulo}},
}};

std::optional<BinaryOperator> operator_at(std::size_t level, const Token& token) {
  if (token.kind != TokenKind::symbol) return std::nullopt;
  for (const std::optional<BinaryOperator>& op : levels[level].operators) {
    if (op && spelling(*op) == token.text) return op;
  }
  return std::nullopt;
}

}  // namespace

Value Parser::expression() {
  const Nested nested(nesting_, peek().position);
  Value value = binary(0);
  const Token& after = peek();
  if (after.kind == TokenKind::name &&
      (after.text == "and" || after.text == "or" || after.text == "not" || after.text == "if")) {
    refuse_text(after.position,
                fmt::format("wanted &, |, ~ or tr.where(...) between columns, found {}", after.shown()));
  }
  return value;
}

Value Parser::binary(std::size_t level) {
  if (level == levels.size()) return unary();
  Value left = binary(level + 1);
  bool compared = false;
  while (const std::optional<BinaryOperator> op = operator_at(level, peek())) {
    const Token token = next();
    if (level == 0 && compared) {
      refuse_text(token.position, "comparisons do not chain; write (a < b) & (b < c), or .between(...)");
    }
    compared = true;
    left = combined(*op, token, left, binary(level + 1));
  }
  return left;
}

Value Parser::combined(BinaryOperator op, const Token& token, const Value& left, const Value& right) const {
  for (const Value* side : {&left, &right}) {
    if (std::holds_alternative<Series>(side->is) || std::holds_alternative<Scalar>(side->is)) continue;
    refuse_text(token.position, fmt::format("wanted columns or constants on both sides of {}, found {}",
                                            token.text, shown(*side)));
  }
  return {as_series(left).binary(op, as_series(right)), left.position};
}

Value Parser::unary() {
  const Token& token = peek();
  if (!token.is("-") && !token.is("+") && !token.is("~")) return power();
  const Nested nested(nesting_, token.position);
  const Position begin = token.position;
  const bool number_follows = peek(1).kind == TokenKind::integer || peek(1).kind == TokenKind::floating;
  if (token.is("-") && number_follows && !peek(2).is("**") && !peek(2).is(".")) {
    next();
    return number(true);
  }
  const bool invert = token.is("~");
  const bool plus = token.is("+");
  next();
  const Value operand = unary();
  const Series series = as_series(operand);
  if (plus) return {operand.is, begin};
  // -float("inf") is a constant, too.
  const Scalar* scalar = std::get_if<Scalar>(&operand.is);
  const double* infinite = scalar == nullptr ? nullptr : std::get_if<double>(scalar);
  if (!invert && infinite != nullptr && *infinite == std::numeric_limits<double>::infinity())
    return {Scalar{-*infinite}, begin};
  return {series.unary(invert ? UnaryOperator::invert : UnaryOperator::negate), begin};
}

Value Parser::power() {
  Value base = postfix();
  if (!peek().is("**")) return base;
  const Nested nested(nesting_, peek().position);
  const Token token = next();
  return combined(BinaryOperator::power, token, base, unary());
}

Value Parser::postfix() {
  Value value = primary();
  while (true) {
    if (peek().is("["))
      value = subscript(value);
    else if (peek().is("."))
      value = attribute(std::move(value));
    else if (peek().is("("))
      refuse_text(peek().position, fmt::format("{} cannot be called", shown(value)));
    else
      return value;
  }
}

Value Parser::subscript(const Value& base) {
  const Position position = base.position;
  next();
  const Value index = expression();
  expect("]", "] after the subscript");
  const Scalar* scalar = std::get_if<Scalar>(&index.is);
  if (const Series* series = std::get_if<Series>(&base.is))
    return {series->field(as_string(index, "the name of a field")), position};
  const Frame* frame = std::get_if<Frame>(&base.is);
  if (frame == nullptr)
    refuse_text(position, fmt::format("wanted a frame or a column before [, found {}", shown(base)));
  if (scalar != nullptr && std::holds_alternative<std::string>(*scalar))
    return {frame->column(std::get<std::string>(*scalar)), position};
  if (std::holds_alternative<List>(index.is))
    return {frame->project(as_strings(index, "a list of column names")), position};
  if (const Series* mask = std::get_if<Series>(&index.is)) return {frame->filter(*mask), position};
  refuse_text(index.position,
              fmt::format("wanted a column's name, a list of them or a condition, found {}", shown(index)));
}

Value Parser::attribute(Value base) {
  next();
  const Token name = next();
  if (name.kind != TokenKind::name)
    refuse_text(name.position, fmt::format("wanted a method after the dot, found {}", name.shown()));
  if (name.text == "str" && !peek().is("(")) return {StringMethods{as_series(base)}, base.position};
  if (!peek().is("("))
    refuse_text(peek().position, fmt::format("wanted ( after .{}, found {}", name.text, peek().shown()));
  Arguments given = arguments("." + name.text, name.position);
  return call_method(pipeline_, base, name.text, given);
}

Arguments Parser::arguments(const std::string& call, Position position) {
  Arguments result(call, position);
  expect("(", "(");
  while (!skip(")")) {
    if (peek().kind == TokenKind::name && peek(1).is("=")) {
      const std::string name = next().text;
      next();
      result.add(name, expression());
    } else {
      result.add(expression());
    }
    if (!peek().is(")")) expect(",", fmt::format(", or ) after an argument of {}", call));
  }
  return result;
}

Value Parser::primary() {
  const Token& token = peek();
  switch (token.kind) {
    case TokenKind::integer:
    case TokenKind::floating:
      return number(false);
    case TokenKind::string: {
      const Token& string = next();
      return {Scalar{string.text}, string.position};
    }
    case TokenKind::name:
      break;
    case TokenKind::symbol:
      if (token.is("(") || token.is("[")) return bracketed();
      if (token.is("{")) return dictionary();
      [[fallthrough]];
    case TokenKind::line_end:
    case TokenKind::text_end:
      refuse_text(token.position, fmt::format("wanted a value, found {}", token.shown()));
  }
  const Token name = next();
  if (name.text == "None") return {Scalar{}, name.position};
  if (name.text == "True" || name.text == "False") return {Scalar{name.text == "True"}, name.position};
  if (name.text == "float" && peek().is("(")) {
    Arguments given = arguments("float", name.position);
    const Value value = given.need("x");
    given.done();
    const std::string text = as_string(value, "\"inf\"");
    if (text != "inf" && text != "-inf")
      refuse_text(value.position, "wanted float(\"inf\") or float(\"-inf\")");
    const double infinity = std::numeric_limits<double>::infinity();
    return {Scalar{text == "inf" ? infinity : -infinity}, name.position};
  }
  const auto found = variables_.find(name.text);
  if (found == variables_.end())
    refuse_text(name.position, fmt::format("there is no variable {} here", name.shown()));
  return {found->second.is, name.position};
}

Value Parser::bracketed() {
  const Token open = next();
  if (open.is("(")) {
    Value value = expression();
    expect(")", ") after the expression");
    return {std::move(value.is), open.position};
  }
  List list;
  while (!skip("]")) {
    list.push_back(expression());
    if (!peek().is("]")) expect(",", ", or ] in the list");
  }
  return {std::move(list), open.position};
}

Value Parser::dictionary() {
  const Token open = next();
  Dictionary result;
  while (!skip("}")) {
    std::string name = as_string(expression(), "a string as the name");
    expect(":", ": after the name");
    result.emplace_back(std::move(name), expression());
    if (!peek().is("}")) expect(",", ", or } in the dictionary");
  }
  return {std::move(result), open.position};
}

Value Parser::number(bool negative) {
  const Token token = next();
  const std::string text = (negative ? "-" : "") + token.text;
  const char* end = text.data() + text.size();
  if (token.kind == TokenKind::integer) {
    std::int64_t value = 0;
    if (std::from_chars(text.data(), end, value).ec != std::errc()) {
      refuse_text(token.position, fmt::format("{} is beyond int64; write {}.0 for a float", text, text));
    }
    return {Scalar{value}, token.position};
  }
  double value = 0;
  if (std::from_chars(text.data(), end, value).ec != std::errc()) {
    refuse_text(token.position, fmt::format("{} is no double: too large or too small", text));
  }
  return {Scalar{value}, token.position};
}

}  // namespace tiderace::plan
