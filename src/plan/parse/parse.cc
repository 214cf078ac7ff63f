#include "plan/parse/parse.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/error.h"
#include "plan/parse/parser.h"

namespace tiderace::plan {
namespace {

constexpr std::array<std::string_view, 12> reserved_names{"app", "tr", "float", "None", "True",   "False",
                                                          "and", "or", "not",   "if",   "import", "def"};

}  // namespace

Parser::Parser(std::shared_ptr<Pipeline> pipeline, std::vector<Token> tokens)
    : pipeline_(std::move(pipeline)), tokens_(std::move(tokens)) {
  variables_.insert_or_assign("app", Value{ApplicationName{}, {}});
  variables_.insert_or_assign("tr", Value{ModuleName{}, {}});
}

const Token& Parser::peek(std::size_t ahead) const {
  return tokens_[std::min(at_ + ahead, tokens_.size() - 1)];
}

const Token& Parser::next() {
  const Token& token = peek();
  if (at_ + 1 < tokens_.size()) ++at_;
  return token;
}

bool Parser::skip(std::string_view symbol) {
  if (!peek().is(symbol)) return false;
  next();
  return true;
}

void Parser::expect(std::string_view symbol, const std::string& wanted) {
  if (!skip(symbol)) refuse_text(peek().position, fmt::format("wanted {}, found {}", wanted, peek().shown()));
}

Frame Parser::run() {
  while (peek().kind != TokenKind::text_end) {
    const int line = peek().position.line;
    try {
      statement();
    } catch (const Error& error) {
      constexpr std::string_view placed = "plan text line";
      if (std::string_view(error.what()).starts_with(placed)) throw;
      throw error.within(fmt::format("{} {}", placed, line));
    }
    if (peek().kind != TokenKind::line_end)
      refuse_text(peek().position, fmt::format("wanted the end of the line, found {}", peek().shown()));
    next();
  }
  const auto sdf = variables_.find("sdf");
  if (sdf != variables_.end() && std::holds_alternative<Frame>(sdf->second.is))
    return std::get<Frame>(sdf->second.is);
  if (!last_frame_)
    throw_error(ErrorKind::plan,
                "the plan text makes no frame; begin with sdf = app.dataframe(app.topic(\"name\"))");
  return *last_frame_;
}

/// Whether a statement `name[...] = ...` begins here: the brackets are followed by an equals sign.
bool Parser::names_columns() const {
  if (!peek(1).is("[")) return false;
  int depth = 0;
  for (std::size_t ahead = 1; at_ + ahead < tokens_.size(); ++ahead) {
    const Token& token = peek(ahead);
    if (token.kind == TokenKind::line_end) return false;
    if (token.is("[") || token.is("(") || token.is("{")) ++depth;
    if (token.is("]") || token.is(")") || token.is("}")) --depth;
    if (depth == 0) return peek(ahead + 1).is("=");
  }
  return false;
}

void Parser::statement() {
  const Token first = peek();
  if (first.kind == TokenKind::name && peek(1).is("=")) {
    next();
    next();
    return assign_variable(first.text, first.position);
  }
  if (first.kind == TokenKind::name && names_columns()) {
    next();
    next();
    const Value target = expression();
    expect("]", "] after the column");
    expect("=", "=");
    return assign_columns(first.text, target);
  }
  const Value value = expression();
  if (!std::holds_alternative<Frame>(value.is)) {
    refuse_text(
        first.position,
        fmt::format("the line does nothing: it is {}; wanted an assignment, or a call like sdf.to_topic(...)",
                    shown(value)));
  }
}

void Parser::assign_variable(const std::string& name, Position position) {
  if (std::find(reserved_names.begin(), reserved_names.end(), name) != reserved_names.end()) {
    refuse_text(position, fmt::format("{} is reserved; take another name", name));
  }
  const bool is_alias = peek().kind == TokenKind::name && peek(1).kind == TokenKind::line_end;
  Value value = expression();
  if (is_alias && std::holds_alternative<Frame>(value.is)) {
    refuse_text(position,
                "one frame under two names: in Python, setting a column of one would set it in both; branch "
                "with a step, "
                "for example a filter");
  }
  set_variable(name, std::move(value));
}

void Parser::set_variable(const std::string& name, Value value) {
  if (const Frame* frame = std::get_if<Frame>(&value.is)) last_frame_ = *frame;
  variables_.insert_or_assign(name, std::move(value));
}

void Parser::assign_columns(const std::string& name, const Value& target) {
  const auto variable = variables_.find(name);
  const Frame* found = variable == variables_.end() ? nullptr : std::get_if<Frame>(&variable->second.is);
  if (found == nullptr)
    refuse_text(target.position, fmt::format("wanted a frame before [...] =, and {} is none", name));
  const Frame frame = *found;
  const Value value = expression();
  const Frame* columns = std::get_if<Frame>(&value.is);
  if (std::holds_alternative<List>(target.is)) {
    const std::vector<std::string> names = as_strings(target, "the columns' names as strings");
    if (columns == nullptr)
      refuse_text(value.position,
                  fmt::format("wanted a frame of {} columns, found {}", names.size(), shown(value)));
    return set_variable(name, {frame.assign(names, *columns), target.position});
  }
  const std::string column = as_string(target, "the column's name as a string, or a list of names");
  set_variable(name,
               {columns != nullptr ? frame.assign(column, *columns) : frame.assign(column, as_series(value)),
                target.position});
}

Frame parse_plan(const std::shared_ptr<Pipeline>& pipeline, std::string_view text) {
  return Parser(pipeline, tokens_of(text)).run();
}

}  // namespace tiderace::plan
