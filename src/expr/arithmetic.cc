#include "expr/arithmetic.h"

#include <cmath>
#include <limits>

#include "base/error.h"
#include "expr/lanes.h"
#include "expr/text/spelling.h"

namespace tiderace {
namespace {

using Int = std::int64_t;
using Wide = __int128;

// Each operation has `floats`, the result of two doubles, and `integers`, which sets the result of two ints
// and returns true, or returns false where it is no int64; `widened` is the float64 result then. `checked`,
// where there is one, is `integers` without branches: it always sets a result, and a sign bit in `overflow`
// says that it is not the true one.

struct Add {
  static double floats(double a, double b) { return a + b; }
  static bool integers(Int a, Int b, Int& result) { return !__builtin_add_overflow(a, b, &result); }
  static double widened(Int a, Int b) { return static_cast<double>(Wide{a} + b); }
  static std::uint64_t checked(std::uint64_t a, std::uint64_t b, std::uint64_t& overflow) {
    const std::uint64_t result = a + b;
    overflow |= (a ^ result) & (b ^ result);
    return result;
  }
};

struct Subtract {
  static double floats(double a, double b) { return a - b; }
  static bool integers(Int a, Int b, Int& result) { return !__builtin_sub_overflow(a, b, &result); }
  static double widened(Int a, Int b) { return static_cast<double>(Wide{a} - b); }
  static std::uint64_t checked(std::uint64_t a, std::uint64_t b, std::uint64_t& overflow) {
    const std::uint64_t result = a - b;
    overflow |= (a ^ b) & (a ^ result);
    return result;
  }
};

struct Multiply {
  static double floats(double a, double b) { return a * b; }
  static bool integers(Int a, Int b, Int& result) { return !__builtin_mul_overflow(a, b, &result); }
  static double widened(Int a, Int b) { return static_cast<double>(Wide{a} * b); }
  static std::uint64_t checked(std::uint64_t a, std::uint64_t b, std::uint64_t& overflow) {
    Int result;
    const bool wrapped = __builtin_mul_overflow(static_cast<Int>(a), static_cast<Int>(b), &result);
    overflow |= static_cast<std::uint64_t>(wrapped) << 63;
    return static_cast<std::uint64_t>(result);
  }
};

struct Divide {
  static double floats(double a, double b) { return a / b; }
  static bool integers(Int, Int, Int&) { return false; }
  static double widened(Int a, Int b) { return static_cast<double>(a) / static_cast<double>(b); }
};

struct FloorDivide {
  /// Python's: exact where the quotient can be, and of the sign that flooring gives.
  static double floats(double a, double b) {
    if (b == 0) return a / b;
    double remainder = std::fmod(a, b);
    double quotient = (a - remainder) / b;
    if (remainder != 0 && (b < 0) != (remainder < 0)) quotient -= 1;
    if (quotient == 0) return std::copysign(0.0, a / b);
    const double floor = std::floor(quotient);
    return quotient - floor > 0.5 ? floor + 1 : floor;
  }
  static bool integers(Int a, Int b, Int& result) {
    if (b == 0 || (b == -1 && a == std::numeric_limits<Int>::min())) return false;
    result = a / b - static_cast<Int>(a % b != 0 && (a < 0) != (b < 0));
    return true;
  }
  static double widened(Int a, Int b) { return static_cast<double>(a) / static_cast<double>(b); }
};

struct Modulo {
  static double floats(double a, double b) {
    const double remainder = std::fmod(a, b);
    if (remainder == 0) return std::copysign(0.0, b);
    return (b < 0) != (remainder < 0) ? remainder + b : remainder;
  }
  static bool integers(Int a, Int b, Int& result) {
    if (b == 0) return false;
    const Int remainder = b == -1 ? 0 : a % b;
    result = remainder != 0 && (remainder < 0) != (b < 0) ? remainder + b : remainder;
    return true;
  }
  static double widened(Int, Int) { return std::numeric_limits<double>::quiet_NaN(); }
};

struct Power {
  static double floats(double a, double b) { return std::pow(a, b); }
  static bool integers(Int a, Int b, Int& result) {
    if (b < 0) return false;
    Int power = 1;
    Int square = a;
    for (bool fits = true;; b >>= 1) {
      if ((b & 1) != 0) {
        if (!fits || __builtin_mul_overflow(power, square, &power)) return false;
      }
      if (b <= 1) break;
      fits = fits && !__builtin_mul_overflow(square, square, &square);
    }
    result = power;
    return true;
  }
  static double widened(Int a, Int b) { return std::pow(static_cast<double>(a), static_cast<double>(b)); }
};

template <class Operation>
concept HasCheckedIntegers = requires(std::uint64_t v) {
  Operation::checked(v, v, v);
};

/// Any mix of kinds, row by row. The other loops give the same results for the columns that they are made
/// for.
template <class Operation>
Column by_rows(std::string_view name, const Operand& left, const Operand& right, std::size_t size,
               RowErrors& errors) {
  ColumnBuilder out(size);
  const Column& a = left.column();
  const Column& b = right.column();
  for (std::size_t i = 0; i < size; ++i) {
    const std::size_t at = left.at(i);
    const std::size_t bt = right.at(i);
    const unsigned kinds = mask_of(a.kind(at)) | mask_of(b.kind(bt));
    Int result;
    if ((kinds & ~unsigned{number_mask}) != 0) {
      const bool left_is_bad = (mask_of(a.kind(at)) & ~unsigned{number_mask}) != 0;
      report_type(errors, i, name, "a number", left_is_bad ? left : right);
      out.set_null(i);
    } else if (a.is_null(at) || b.is_null(bt)) {
      out.set_null(i);
    } else if ((kinds & mask_of(Kind::float64)) != 0) {
      out.set_float64(i, Operation::floats(a.as_double(at), b.as_double(bt)));
    } else if (Operation::integers(a.int64(at), b.int64(bt), result)) {
      out.set_int64(i, result);
    } else {
      out.set_float64(i, Operation::widened(a.int64(at), b.int64(bt)));
    }
  }
  return Column(std::move(out));
}

/// Both operands are float64 or null.
template <class Operation>
Column of_floats(const Operand& left, const Operand& right, std::size_t size) {
  ColumnBuilder out(size);
  std::uint64_t* const results = out.values();
  with_lanes<double>(left, right, [=](auto a, auto b) {
    for (std::size_t i = 0; i < size; ++i)
      results[i] = std::bit_cast<std::uint64_t>(Operation::floats(a[i], b[i]));
  });
  join_kinds(left, right, Kind::float64, size, out.kinds());
  return Column(std::move(out));
}

/// Both operands are int64 or null; nothing if a result overflows.
template <class Operation>
std::optional<Column> of_integers(const Operand& left, const Operand& right, std::size_t size) {
  ColumnBuilder out(size);
  std::uint64_t* const results = out.values();
  std::uint64_t overflow = 0;
  with_lanes<std::uint64_t>(left, right, [=, &overflow](auto a, auto b) {
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < size; ++i) results[i] = Operation::checked(a[i], b[i], seen);
    overflow = seen;
  });
  if (static_cast<Int>(overflow) < 0) return std::nullopt;
  join_kinds(left, right, Kind::int64, size, out.kinds());
  return Column(std::move(out));
}

template <class Operation>
Column calculate(BinaryOperator op, const Operand& left, const Operand& right, std::size_t size,
                 RowErrors& errors) {
  if constexpr (HasCheckedIntegers<Operation>) {
    if (left.only(Kind::int64) && right.only(Kind::int64)) {
      if (auto result = of_integers<Operation>(left, right, size)) return *std::move(result);
    }
  }
  const bool floats =
      left.only(Kind::float64) || right.only(Kind::float64) || std::is_same_v<Operation, Divide>;
  if (floats && one_number_kind(left) && one_number_kind(right)) {
    return of_floats<Operation>(as_floats(left), as_floats(right), size);
  }
  return by_rows<Operation>(spelling(op), left, right, size, errors);
}

}  // namespace

Column arithmetic(BinaryOperator op, const Operand& left, const Operand& right, std::size_t size,
                  RowErrors& errors) {
  switch (op) {
    case BinaryOperator::add:
      return calculate<Add>(op, left, right, size, errors);
    case BinaryOperator::subtract:
      return calculate<Subtract>(op, left, right, size, errors);
    case BinaryOperator::multiply:
      return calculate<Multiply>(op, left, right, size, errors);
    case BinaryOperator::divide:
      return calculate<Divide>(op, left, right, size, errors);
    case BinaryOperator::floor_divide:
      return calculate<FloorDivide>(op, left, right, size, errors);
    case BinaryOperator::modulo:
      return calculate<Modulo>(op, left, right, size, errors);
    case BinaryOperator::power:
      return calculate<Power>(op, left, right, size, errors);
    default:
      break;
  }
  TIDERACE_CHECK(!"an arithmetic operator");
  return {};
}

}  // namespace tiderace
