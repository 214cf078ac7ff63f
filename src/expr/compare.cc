#include "expr/compare.h"

#include <fmt/format.h>

#include <cmath>
#include <functional>
#include <optional>

#include "base/error.h"
#include "expr/lanes.h"
#include "expr/text/spelling.h"

namespace tiderace {
namespace {

using Int = std::int64_t;

template <class T>
int order_of(const T& a, const T& b) {
  return static_cast<int>(a > b) - static_cast<int>(a < b);
}

/// The order of `a` and `b` without rounding either. `b` is not NaN.
int compare_int_with_float(Int a, double b) {
  if (b >= 0x1p63) return -1;
  if (b < -0x1p63) return 1;
  const Int whole = static_cast<Int>(b);
  if (a != whole) return order_of(a, whole);
  return order_of(0.0, b - static_cast<double>(whole));
}

struct Less {
  static constexpr bool is_ordering = true;
  template <class T>
  static bool of(const T& a, const T& b) {
    return a < b;
  }
};
struct LessEqual {
  static constexpr bool is_ordering = true;
  template <class T>
  static bool of(const T& a, const T& b) {
    return a <= b;
  }
};
struct Greater {
  static constexpr bool is_ordering = true;
  template <class T>
  static bool of(const T& a, const T& b) {
    return a > b;
  }
};
struct GreaterEqual {
  static constexpr bool is_ordering = true;
  template <class T>
  static bool of(const T& a, const T& b) {
    return a >= b;
  }
};
struct Equal {
  static constexpr bool is_ordering = false;
  template <class T>
  static bool of(const T& a, const T& b) {
    return a == b;
  }
};
struct NotEqual {
  static constexpr bool is_ordering = false;
  template <class T>
  static bool of(const T& a, const T& b) {
    return a != b;
  }
};

template <class Comparison>
void compare_row(std::string_view name, const Operand& left, const Operand& right, std::size_t i,
                 ColumnBuilder& out, RowErrors& errors) {
  const Column& a = left.column();
  const Column& b = right.column();
  const std::size_t at = left.at(i);
  const std::size_t bt = right.at(i);
  if (a.is_null(at) || b.is_null(bt)) return out.set_null(i);
  if (is_number(a.kind(at)) && is_number(b.kind(bt))) {
    const int order = compare_numbers(a.kind(at), a.values()[at], b.kind(bt), b.values()[bt]);
    return out.set_boolean(i, Comparison::of(order, 0));
  }
  const bool same = a.kind(at) == b.kind(bt);
  if (same && a.kind(at) != Kind::nested) return out.set_boolean(i, Comparison::of(a.text(at), b.text(bt)));
  if (!same && !Comparison::is_ordering) return out.set_boolean(i, Comparison::of(0, 1));
  out.set_null(i);
  const char* const wanted = same ? "values that are not nested" : "two values of one kind";
  errors.add(i, BadRowKind::type,
             fmt::format("{}: wanted {}, found {} and {}", name, wanted, describe(a, at), describe(b, bt)));
}

template <class Comparison>
Column by_rows(std::string_view name, const Operand& left, const Operand& right, std::size_t size,
               RowErrors& errors) {
  ColumnBuilder out(size);
  for (std::size_t i = 0; i < size; ++i) compare_row<Comparison>(name, left, right, i, out, errors);
  return Column(std::move(out));
}

/// Both operands hold nulls and values of T's kind.
template <class Comparison, class T>
Column of_numbers(const Operand& left, const Operand& right, std::size_t size) {
  ColumnBuilder out(size);
  std::uint64_t* const results = out.values();
  with_lanes<T>(left, right, [=](auto a, auto b) {
    for (std::size_t i = 0; i < size; ++i) results[i] = Comparison::of(a[i], b[i]) ? 1 : 0;
  });
  join_kinds(left, right, Kind::boolean, size, out.kinds());
  return Column(std::move(out));
}

/// The constant `operand` as a number of `kind`, where that is the same number; so a column is compared with
/// `1` or `1.0` alike.
std::optional<Operand> constant_as(const Operand& operand, Kind kind) {
  const Column& column = operand.column();
  ColumnBuilder out(1);
  if (column.kind(0) == Kind::int64 && kind == Kind::float64) {
    const double value = static_cast<double>(column.int64(0));
    if (compare_int_with_float(column.int64(0), value) != 0) return std::nullopt;
    out.set_float64(0, value);
  } else if (column.kind(0) == Kind::float64 && kind == Kind::int64) {
    const double value = column.float64(0);
    if (!(value >= -0x1p63 && value < 0x1p63) || value != std::trunc(value)) return std::nullopt;
    out.set_int64(0, static_cast<Int>(value));
  } else {
    return std::nullopt;
  }
  return Operand(Column(std::move(out)), true);
}

template <class Comparison>
Column calculate(BinaryOperator op, const Operand& left, const Operand& right, std::size_t size,
                 RowErrors& errors) {
  if (left.only(Kind::float64) && right.only(Kind::float64))
    return of_numbers<Comparison, double>(left, right, size);
  if (left.only(Kind::int64) && right.only(Kind::int64))
    return of_numbers<Comparison, Int>(left, right, size);
  if (one_number_kind(left) && one_number_kind(right) && (left.constant() || right.constant())) {
    const Operand& constant = left.constant() ? left : right;
    const Operand& column = left.constant() ? right : left;
    if (const auto same = constant_as(constant, static_cast<Kind>(column.mask()))) {
      return calculate<Comparison>(op, left.constant() ? *same : left, left.constant() ? right : *same, size,
                                   errors);
    }
  }
  return by_rows<Comparison>(spelling(op), left, right, size, errors);
}

}  // namespace

int compare_numbers(Kind a, std::uint64_t a_payload, Kind b, std::uint64_t b_payload) noexcept {
  const auto a_int = static_cast<Int>(a_payload);
  const auto b_int = static_cast<Int>(b_payload);
  const auto a_float = std::bit_cast<double>(a_payload);
  const auto b_float = std::bit_cast<double>(b_payload);
  if (a == Kind::float64)
    return b == Kind::float64 ? order_of(a_float, b_float) : -compare_int_with_float(b_int, a_float);
  return b == Kind::float64 ? compare_int_with_float(a_int, b_float) : order_of(a_int, b_int);
}

Column compare(BinaryOperator op, const Operand& left, const Operand& right, std::size_t size,
               RowErrors& errors) {
  switch (op) {
    case BinaryOperator::less:
      return calculate<Less>(op, left, right, size, errors);
    case BinaryOperator::less_equal:
      return calculate<LessEqual>(op, left, right, size, errors);
    case BinaryOperator::greater:
      return calculate<Greater>(op, left, right, size, errors);
    case BinaryOperator::greater_equal:
      return calculate<GreaterEqual>(op, left, right, size, errors);
    case BinaryOperator::equal:
      return calculate<Equal>(op, left, right, size, errors);
    case BinaryOperator::not_equal:
      return calculate<NotEqual>(op, left, right, size, errors);
    default:
      break;
  }
  TIDERACE_CHECK(!"a comparison");
  return {};
}

}  // namespace tiderace
