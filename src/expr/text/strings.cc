#include "expr/text/strings.h"

#include <re2/re2.h>

#include "base/error.h"
#include "expr/text/spelling.h"
#include "expr/text/utf8.h"

namespace tiderace {
namespace {

/// Calls `f(i, text)` for every string; sets null for null and, with a report, for anything else.
template <class F>
void for_strings(std::string_view operation, const Operand& argument, ColumnBuilder& out, RowErrors& errors,
                 F&& f) {
  const Column& column = argument.column();
  for (std::size_t i = 0; i < column.size(); ++i) {
    if (column.kind(i) == Kind::string) {
      f(i, column.text(i));
    } else {
      if (!column.is_null(i)) report_type(errors, i, operation, "a string", argument);
      out.set_null(i);
    }
  }
}

void change_case(const Operand& argument, LetterCase wanted, std::string_view operation, ColumnBuilder& out,
                 RowErrors& errors) {
  std::string& text = out.text();
  std::size_t total = 0;
  for_strings(operation, argument, out, errors, [&](std::size_t i, std::string_view value) {
    out.kinds()[i] = Kind::string;
    out.values()[i] = value.size();
    total += value.size();
  });
  text.reserve(total);
  const Column& column = argument.column();
  for (std::size_t i = 0; i < column.size(); ++i) {
    if (column.kind(i) != Kind::string) continue;
    const std::size_t begin = text.size();
    append_in_case(text, column.text(i), wanted);
    TIDERACE_CHECK(text.size() <= UINT32_MAX);
    out.values()[i] = std::uint64_t{begin} << 32 | (text.size() - begin);
  }
}

}  // namespace

Column string_unary(UnaryOperator op, const Operand& argument, RowErrors& errors) {
  ColumnBuilder out(argument.column().size());
  const std::string_view name = spelling(op);
  if (op == UnaryOperator::length) {
    for_strings(name, argument, out, errors, [&](std::size_t i, std::string_view value) {
      out.set_int64(i, static_cast<std::int64_t>(code_points(value)));
    });
  } else {
    TIDERACE_CHECK(op == UnaryOperator::lower || op == UnaryOperator::upper);
    change_case(argument, op == UnaryOperator::lower ? LetterCase::lower : LetterCase::upper, name, out,
                errors);
  }
  return Column(std::move(out));
}

Matcher::Matcher(const Match& match) : kind_(match.kind), pattern_(match.pattern) {
  if (kind_ != MatchKind::contains_regex) return;
  regex_ = std::make_unique<const re2::RE2>(pattern_, re2::RE2::Quiet);
  if (!regex_->ok()) {
    throw_error(ErrorKind::plan,
                "str.contains: wanted a regular expression (RE2 syntax), found {}: {}; for the text itself "
                "say regex=False",
                quoted(pattern_), regex_->error());
  }
}

Matcher::~Matcher() = default;
Matcher::Matcher(Matcher&&) noexcept = default;

Column Matcher::matches(const Operand& argument, RowErrors& errors) const {
  ColumnBuilder out(argument.column().size());
  const auto each = [&](auto&& match) {
    for_strings(spelling(kind_), argument, out, errors,
                [&](std::size_t i, std::string_view value) { out.set_boolean(i, match(value)); });
  };
  switch (kind_) {
    case MatchKind::contains_regex:
      each([&](std::string_view value) {
        return regex_->Match({value.data(), value.size()}, 0, value.size(), re2::RE2::UNANCHORED, nullptr, 0);
      });
      break;
    case MatchKind::contains_literal:
      each([&](std::string_view value) { return value.find(pattern_) != std::string_view::npos; });
      break;
    case MatchKind::starts_with:
      each([&](std::string_view value) { return value.starts_with(pattern_); });
      break;
    case MatchKind::ends_with:
      each([&](std::string_view value) { return value.ends_with(pattern_); });
      break;
  }
  return Column(std::move(out));
}

}  // namespace tiderace
