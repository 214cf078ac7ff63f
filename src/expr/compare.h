#pragma once

#include <cstddef>
#include <memory>
#include <span>

#include "expr/expression.h"
#include "expr/operand.h"

namespace tiderace {

/// The order of two numbers of kind boolean, int64 or float64: less than 0, 0 or more than 0. Exact, also
/// between an int and a float.
[[nodiscard]] int compare_numbers(Kind a, std::uint64_t a_payload, Kind b, std::uint64_t b_payload) noexcept;

/// `< <= > >= == !=`; at most one operand is constant. A null on either side gives null. Numbers (bools among
/// them) compare by value, strings by code point, bytes by byte. Of different kinds, `==` is false and `!=`
/// true, and an ordering is a type error; so is any comparison of two nested values.
[[nodiscard]] Column compare(BinaryOperator op, const Operand& left, const Operand& right, std::size_t size,
                             RowErrors& errors);

/// The values of an `isin`, sorted for look-up. Immutable.
class MemberSet {
 public:
  explicit MemberSet(std::span<const Scalar> values);
  ~MemberSet();
  MemberSet(MemberSet&&) noexcept;

  /// Whether each row equals one of the values. Null is no member, also where None is among the values.
  [[nodiscard]] Column contains(const Operand& argument) const;

 private:
  struct Values;
  std::unique_ptr<const Values> values_;
};

}  // namespace tiderace
