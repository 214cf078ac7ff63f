#include "expr/numeric.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/error.h"
#include "expr/compare.h"
#include "expr/lanes.h"
#include "expr/text/spelling.h"

namespace tiderace {
namespace {

using Int = std::int64_t;
using Wide = __int128;

struct Negate {
  static double floats(double x) { return -x; }
  static void integer(ColumnBuilder& out, std::size_t i, Int x) {
    if (x == std::numeric_limits<Int>::min())
      out.set_float64(i, -static_cast<double>(x));
    else
      out.set_int64(i, -x);
  }
};

struct Absolute {
  static double floats(double x) { return std::fabs(x); }
  static void integer(ColumnBuilder& out, std::size_t i, Int x) {
    if (x < 0)
      Negate::integer(out, i, x);
    else
      out.set_int64(i, x);
  }
};

/// `Function` of a double; ints are taken as doubles.
template <double (*Function)(double)>
struct OfDouble {
  static double floats(double x) { return Function(x); }
  static void integer(ColumnBuilder& out, std::size_t i, Int x) {
    out.set_float64(i, Function(static_cast<double>(x)));
  }
};

double square_root(double x) {
  return std::sqrt(x);
}
double exponential(double x) {
  return std::exp(x);
}
double logarithm(double x) {
  return std::log(x);
}

/// Rounds to an integer, halves to even, in the default rounding mode: adding 2^52 leaves no room for a
/// fraction.
double to_even(double x) {
  const double magnitude = std::fabs(x);
  const double rounded = (magnitude + 0x1p52) - 0x1p52;
  return std::copysign(magnitude < 0x1p52 ? rounded : magnitude, x);
}

struct RoundTo {
  explicit RoundTo(int places) : decimals(places), scale(std::pow(10.0, std::abs(places))) {}

  [[nodiscard]] double floats(double x) const {
    if (decimals == 0) return to_even(x);
    if (decimals < 0) return std::isinf(scale) ? std::copysign(0.0, x) : to_even(x / scale) * scale;
    const double scaled = x * scale;
    return std::isfinite(scaled) ? to_even(scaled) / scale : x;
  }

  void integer(ColumnBuilder& out, std::size_t i, Int x) const {
    if (decimals >= 0) return out.set_int64(i, x);
    if (decimals < -19) return out.set_int64(i, 0);
    Wide unit = 1;
    for (int k = 0; k > decimals; --k) unit *= 10;
    const Wide magnitude = x < 0 ? -Wide{x} : Wide{x};
    Wide quotient = magnitude / unit;
    const Wide twice = 2 * (magnitude % unit);
    if (twice > unit || (twice == unit && quotient % 2 == 1)) ++quotient;
    const Wide rounded = x < 0 ? -quotient * unit : quotient * unit;
    const Int narrow = static_cast<Int>(rounded);
    if (narrow == rounded)
      out.set_int64(i, narrow);
    else
      out.set_float64(i, static_cast<double>(rounded));
  }

  int decimals;
  double scale;
};

template <class Operation>
Column calculate(std::string_view name, const Operation& operation, const Operand& argument,
                 RowErrors& errors) {
  const Column& column = argument.column();
  const std::size_t size = column.size();
  ColumnBuilder out(size);
  if (argument.only(Kind::float64)) {
    const Lane<double> lane{column.values()};
    std::uint64_t* const results = out.values();
    for (std::size_t i = 0; i < size; ++i)
      results[i] = std::bit_cast<std::uint64_t>(operation.floats(lane[i]));
    std::copy_n(column.kinds(), size, out.kinds());
    return Column(std::move(out));
  }
  for (std::size_t i = 0; i < size; ++i) {
    switch (column.kind(i)) {
      case Kind::null:
        out.set_null(i);
        break;
      case Kind::float64:
        out.set_float64(i, operation.floats(column.float64(i)));
        break;
      case Kind::boolean:
      case Kind::int64:
        operation.integer(out, i, column.int64(i));
        break;
      default:
        report_type(errors, i, name, "a number", argument);
        out.set_null(i);
    }
  }
  return Column(std::move(out));
}

/// The value of one row of a clip under way: a number and whether it is a float.
struct Number {
  Kind kind;
  std::uint64_t payload;
};

Number number_at(const Operand& operand, std::size_t i) {
  const Kind kind = operand.kind(i);
  return {kind == Kind::boolean ? Kind::int64 : kind, operand.column().values()[operand.at(i)]};
}

bool is_constant_number(const Operand* operand) {
  return operand == nullptr || (operand->constant() && is_number(operand->kind(0)));
}

/// All that is not null in `argument` is float64, and each bound is one number or absent. A bound is rounded
/// to a double here; that cannot be seen, since a value beside the rounded bound is beside the bound, and an
/// equal one gives the same result.
Column clip_floats(const Operand& argument, const Operand* lower, const Operand* upper) {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  const double low = lower != nullptr ? lower->column().as_double(0) : -infinity;
  const double high = upper != nullptr ? upper->column().as_double(0) : infinity;
  const Column& column = argument.column();
  const std::size_t size = column.size();
  ColumnBuilder out(size);
  const Lane<double> lane{column.values()};
  std::uint64_t* const results = out.values();
  for (std::size_t i = 0; i < size; ++i) {
    const double below = lane[i] > high ? high : lane[i];
    results[i] = std::bit_cast<std::uint64_t>(below < low ? low : below);
  }
  std::copy_n(column.kinds(), size, out.kinds());
  return Column(std::move(out));
}

}  // namespace

Column numeric_unary(UnaryOperator op, const Operand& argument, RowErrors& errors) {
  const std::string_view name = spelling(op);
  switch (op) {
    case UnaryOperator::negate:
      return calculate(name, Negate{}, argument, errors);
    case UnaryOperator::absolute:
      return calculate(name, Absolute{}, argument, errors);
    case UnaryOperator::sqrt:
      return calculate(name, OfDouble<square_root>{}, argument, errors);
    case UnaryOperator::exp:
      return calculate(name, OfDouble<exponential>{}, argument, errors);
    case UnaryOperator::log:
      return calculate(name, OfDouble<logarithm>{}, argument, errors);
    default:
      break;
  }
  TIDERACE_CHECK(!"a numeric operator");
  return {};
}

Column round_to(const Operand& argument, int decimals, RowErrors& errors) {
  return calculate("round", RoundTo(decimals), argument, errors);
}

Column clip(const Operand& argument, const Operand* lower, const Operand* upper, std::size_t size,
            RowErrors& errors) {
  if (argument.only(Kind::float64) && is_constant_number(lower) && is_constant_number(upper)) {
    return clip_floats(argument, lower, upper);
  }
  ColumnBuilder out(size);
  const auto is_bad = [](const Operand* operand, std::size_t i) {
    return operand != nullptr && operand->kind(i) != Kind::null && !is_number(operand->kind(i));
  };
  for (std::size_t i = 0; i < size; ++i) {
    const Operand* bad = nullptr;
    for (const Operand* operand : {&argument, lower, upper}) {
      if (bad == nullptr && is_bad(operand, i)) bad = operand;
    }
    if (bad != nullptr) report_type(errors, i, "clip", "a number", *bad);
    if (bad != nullptr || argument.kind(i) == Kind::null) {
      out.set_null(i);
      continue;
    }
    Number value = number_at(argument, i);
    bool is_float = value.kind == Kind::float64;
    // The upper bound first: where the bounds cross, pandas lets the lower one win.
    for (const Operand* bound : {upper, lower}) {
      if (bound == nullptr || bound->kind(i) == Kind::null) continue;
      const Number limit = number_at(*bound, i);
      is_float = is_float || limit.kind == Kind::float64;
      const int order = compare_numbers(value.kind, value.payload, limit.kind, limit.payload);
      if (bound == upper ? order > 0 : order < 0) value = limit;
    }
    const bool widen = is_float && value.kind == Kind::int64;
    if (value.kind == Kind::float64)
      out.set_float64(i, std::bit_cast<double>(value.payload));
    else if (widen)
      out.set_float64(i, static_cast<double>(static_cast<Int>(value.payload)));
    else
      out.set_int64(i, static_cast<Int>(value.payload));
  }
  return Column(std::move(out));
}

}  // namespace tiderace
