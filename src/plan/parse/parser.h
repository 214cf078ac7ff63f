#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "plan/parse/parse_value.h"
#include "plan/parse/tokens.h"

namespace tiderace::plan {

/// Reads statements one after the other and does what they say. Expressions by recursive descent, in Python's
/// order of precedence.
class Parser {
 public:
  Parser(std::shared_ptr<Pipeline> pipeline, std::vector<Token> tokens);

  /// Runs the whole text and returns the frame that it is about.
  Frame run();

 private:
  // Statements, in parse.cc.
  void statement();
  void assign_variable(const std::string& name, Position position);
  void assign_columns(const std::string& name, const Value& target);
  void set_variable(const std::string& name, Value value);
  [[nodiscard]] bool names_columns() const;

  // Expressions, in parse_expression.cc, from the loosest binding to the tightest.
  [[nodiscard]] Value expression();
  [[nodiscard]] Value binary(std::size_t level);
  [[nodiscard]] Value unary();
  [[nodiscard]] Value power();
  [[nodiscard]] Value postfix();
  [[nodiscard]] Value primary();
  [[nodiscard]] Value bracketed();
  [[nodiscard]] Value dictionary();
  [[nodiscard]] Value subscript(const Value& base);
  [[nodiscard]] Value attribute(Value base);
  [[nodiscard]] Arguments arguments(const std::string& call, Position position);
  [[nodiscard]] Value number(bool negative);
  [[nodiscard]] Value combined(BinaryOperator op, const Token& token, const Value& left,
                               const Value& right) const;

  // Tokens.
  [[nodiscard]] const Token& peek(std::size_t ahead = 0) const;
  const Token& next();
  bool skip(std::string_view symbol);
  void expect(std::string_view symbol, const std::string& wanted);

  std::shared_ptr<Pipeline> pipeline_;
  std::vector<Token> tokens_;
  std::size_t at_ = 0;
  int nesting_ = 0;
  std::map<std::string, Value> variables_;
  std::optional<Frame> last_frame_;
};

}  // namespace tiderace::plan
