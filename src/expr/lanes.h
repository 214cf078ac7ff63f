#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "expr/operand.h"

namespace tiderace {

/// The payloads of a column that holds one kind of number (and nulls, whose payload is 0), read as T: what
/// the fast loops run over.
template <class T>
struct Lane {
  const std::uint64_t* payloads;
  T operator[](std::size_t i) const noexcept { return std::bit_cast<T>(payloads[i]); }
};

/// One value for every row: the loops keep it in a register.
template <class T>
struct Repeated {
  T value;
  T operator[](std::size_t) const noexcept { return value; }
};

template <class T>
[[nodiscard]] Repeated<T> repeated(const Operand& operand) noexcept {
  return {std::bit_cast<T>(operand.column().values()[0])};
}

/// Calls `f` with the lanes of two operands, of which at most one is constant.
template <class T, class F>
void with_lanes(const Operand& left, const Operand& right, F&& f) {
  const Lane<T> a{left.column().values()};
  const Lane<T> b{right.column().values()};
  if (left.constant())
    f(repeated<T>(left), b);
  else if (right.constant())
    f(a, repeated<T>(right));
  else
    f(a, b);
}

/// Whether all that is not null in `operand` is of int64, or all of float64.
[[nodiscard]] inline bool one_number_kind(const Operand& operand) noexcept {
  return operand.only(Kind::int64) || operand.only(Kind::float64);
}

/// An operand of `one_number_kind` as float64.
[[nodiscard]] inline Operand as_floats(const Operand& operand) {
  if (operand.only(Kind::float64)) return operand;
  const Column& column = operand.column();
  const std::size_t size = column.size();
  ColumnBuilder out(size);
  const Kind* const kinds = column.kinds();
  const std::uint64_t* const values = column.values();
  std::uint64_t* const results = out.values();
  Kind* const result_kinds = out.kinds();
  for (std::size_t i = 0; i < size; ++i) {
    results[i] = std::bit_cast<std::uint64_t>(static_cast<double>(static_cast<std::int64_t>(values[i])));
  }
  static_assert(mask_of(Kind::float64) == 2 * mask_of(Kind::int64));
  for (std::size_t i = 0; i < size; ++i) result_kinds[i] = static_cast<Kind>(mask_of(kinds[i]) << 1);
  return Operand(Column(std::move(out)), operand.constant());
}

/// Writes `result` where neither operand is null and null elsewhere. Both operands hold the same kind and
/// nulls.
inline void join_kinds(const Operand& left, const Operand& right, Kind result, std::size_t size,
                       Kind* kinds) {
  const bool left_varies = !left.constant() && left.column().has_null();
  const bool right_varies = !right.constant() && right.column().has_null();
  const Kind* const a = left.column().kinds();
  const Kind* const b = right.column().kinds();
  if (left_varies && right_varies) {
    // Both hold the same kind, so their bits have nothing in common only where one is null.
    for (std::size_t i = 0; i < size; ++i) {
      kinds[i] = (mask_of(a[i]) & mask_of(b[i])) != 0 ? result : Kind::null;
    }
  } else if (left_varies || right_varies) {
    const Kind* const varying = left_varies ? a : b;
    for (std::size_t i = 0; i < size; ++i) kinds[i] = varying[i] != Kind::null ? result : Kind::null;
  } else {
    std::fill_n(kinds, size, result);
  }
}

}  // namespace tiderace
