#include "expr/logic.h"

#include <algorithm>

#include "expr/lanes.h"
#include "expr/text/spelling.h"

namespace tiderace {
namespace {

/// A truth value as two bits: bit 0 "may be false", bit 1 "may be true"; null is both. Kleene's operations
/// are then bit operations.
constexpr unsigned may_be_false = 1;
constexpr unsigned may_be_true = 2;

unsigned possibilities(Kind kind, std::uint64_t payload) {
  const unsigned known = payload != 0 ? may_be_true : may_be_false;
  return kind == Kind::null ? may_be_false | may_be_true : known;
}

void set_possibilities(Kind* kinds, std::uint64_t* values, std::size_t i, unsigned possible) {
  kinds[i] = possible == (may_be_false | may_be_true) ? Kind::null : Kind::boolean;
  values[i] = possible == may_be_true ? 1 : 0;
}

bool booleans_only(const Operand& operand) {
  return (operand.mask() & ~mask_of(Kind::boolean)) == 0;
}

/// The operand with nulls for what is no boolean, each reported.
Operand checked_booleans(std::string_view operation, const Operand& operand, std::size_t size,
                         RowErrors& errors) {
  if (booleans_only(operand)) return operand;
  ColumnBuilder out(size);
  for (std::size_t i = 0; i < size; ++i) {
    const Kind kind = operand.kind(i);
    if (kind == Kind::boolean) {
      out.set_boolean(i, operand.column().boolean(operand.at(i)));
    } else {
      if (kind != Kind::null) report_type(errors, i, operation, "a boolean", operand);
      out.set_null(i);
    }
  }
  return Operand(Column(std::move(out)));
}

}  // namespace

Column kleene(BinaryOperator op, const Operand& left, const Operand& right, std::size_t size,
              RowErrors& errors) {
  const Operand checked_left = checked_booleans(spelling(op), left, size, errors);
  const Operand checked_right = checked_booleans(spelling(op), right, size, errors);
  const Column& a = checked_left.column();
  const Column& b = checked_right.column();
  ColumnBuilder out(size);
  Kind* const kinds = out.kinds();
  std::uint64_t* const values = out.values();
  const bool is_and = op == BinaryOperator::logical_and;
  if (a.all(Kind::boolean) && b.all(Kind::boolean)) {
    std::fill_n(kinds, size, Kind::boolean);
    with_lanes<std::uint64_t>(checked_left, checked_right, [=](auto p, auto q) {
      for (std::size_t i = 0; i < size; ++i) values[i] = is_and ? p[i] & q[i] : p[i] | q[i];
    });
    return Column(std::move(out));
  }
  const std::size_t left_step = checked_left.constant() ? 0 : 1;
  const std::size_t right_step = checked_right.constant() ? 0 : 1;
  const Kind* const a_kinds = a.kinds();
  const Kind* const b_kinds = b.kinds();
  const std::uint64_t* const a_values = a.values();
  const std::uint64_t* const b_values = b.values();
  // `a & b` may be true if both may, and may be false if either may; `|` is the same with the bits' roles
  // exchanged.
  const unsigned by_both = is_and ? may_be_true : may_be_false;
  const unsigned by_either = by_both ^ (may_be_true | may_be_false);
  for (std::size_t i = 0; i < size; ++i) {
    const unsigned p = possibilities(a_kinds[i * left_step], a_values[i * left_step]);
    const unsigned q = possibilities(b_kinds[i * right_step], b_values[i * right_step]);
    set_possibilities(kinds, values, i, (p & q & by_both) | ((p | q) & by_either));
  }
  return Column(std::move(out));
}

Column invert(const Operand& argument, RowErrors& errors) {
  const std::size_t size = argument.column().size();
  const Operand checked = checked_booleans("~", argument, size, errors);
  const Column& column = checked.column();
  ColumnBuilder out(size);
  std::copy_n(column.kinds(), size, out.kinds());
  for (std::size_t i = 0; i < size; ++i) out.values()[i] = column.values()[i] ^ 1;
  return Column(std::move(out));
}

Column null_test(const Operand& argument, bool nulls) {
  const Column& column = argument.column();
  const std::size_t size = column.size();
  ColumnBuilder out(size);
  std::fill_n(out.kinds(), size, Kind::boolean);
  std::uint64_t* const results = out.values();
  const Kind* const kinds = column.kinds();
  for (std::size_t i = 0; i < size; ++i) results[i] = (kinds[i] == Kind::null) == nulls ? 1 : 0;
  return Column(std::move(out));
}

Buffer<Branch> branches(const Operand& condition, std::size_t size, RowErrors& errors) {
  const Operand checked = checked_booleans("where", condition, size, errors);
  Buffer<Branch> chosen(size);
  for (std::size_t i = 0; i < size; ++i) {
    chosen[i] =
        checked.column().boolean(checked.at(i)) ? Branch::then : Branch::otherwise;  // null is not true
  }
  return chosen;
}

Column choose(const Buffer<Branch>& branches, const Operand& then, const Operand& otherwise) {
  const std::size_t size = branches.size();
  ColumnBuilder out(size);
  const std::size_t then_step = then.constant() ? 0 : 1;
  const std::size_t otherwise_step = otherwise.constant() ? 0 : 1;
  const Column& a = then.column();
  const Column& b = otherwise.column();
  if (((a.mask() | b.mask()) & ~number_mask) == 0) {
    Kind* const kinds = out.kinds();
    std::uint64_t* const values = out.values();
    for (std::size_t i = 0; i < size; ++i) {
      const bool first = branches[i] == Branch::then;
      const Kind kind = first ? a.kinds()[i * then_step] : b.kinds()[i * otherwise_step];
      const std::uint64_t value = first ? a.values()[i * then_step] : b.values()[i * otherwise_step];
      kinds[i] = kind;
      values[i] = value;
    }
    return Column(std::move(out));
  }
  for (std::size_t i = 0; i < size; ++i) {
    const Operand& source = branches[i] == Branch::then ? then : otherwise;
    const Kind kind = source.kind(i);
    if (is_text(kind)) {
      out.set_text(i, kind, source.column().text(source.at(i)));
    } else {
      out.kinds()[i] = kind;
      out.values()[i] = source.column().values()[source.at(i)];
    }
  }
  return Column(std::move(out));
}

}  // namespace tiderace
