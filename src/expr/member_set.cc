#include <algorithm>
#include <cmath>
#include <string_view>
#include <vector>

#include "expr/compare.h"

namespace tiderace {

/// A float that equals an int64 is kept as that int, so that 1 and 1.0 are one member.
struct MemberSet::Values {
  std::vector<std::int64_t> integers;
  std::vector<double> floats;
  std::vector<std::string> strings;

  void add(std::monostate) {}
  void add(bool value) { integers.push_back(value ? 1 : 0); }
  void add(std::int64_t value) { integers.push_back(value); }
  void add(const std::string& value) { strings.push_back(value); }
  void add(double value) {
    if (is_integer(value))
      integers.push_back(static_cast<std::int64_t>(value));
    else if (value == value)
      floats.push_back(value);
  }

  [[nodiscard]] static bool is_integer(double value) {
    return value >= -0x1p63 && value < 0x1p63 && value == std::trunc(value);
  }
  [[nodiscard]] bool has(std::int64_t value) const {
    return std::binary_search(integers.begin(), integers.end(), value);
  }
  [[nodiscard]] bool has(double value) const {
    if (is_integer(value)) return has(static_cast<std::int64_t>(value));
    return std::binary_search(floats.begin(), floats.end(), value);
  }
  [[nodiscard]] bool has(std::string_view value) const {
    return std::binary_search(strings.begin(), strings.end(), value, std::less<>());
  }
};

MemberSet::MemberSet(std::span<const Scalar> values) {
  auto sorted = std::make_unique<Values>();
  for (const Scalar& value : values) std::visit([&](const auto& scalar) { sorted->add(scalar); }, value);
  std::sort(sorted->integers.begin(), sorted->integers.end());
  std::sort(sorted->floats.begin(), sorted->floats.end());
  std::sort(sorted->strings.begin(), sorted->strings.end());
  values_ = std::move(sorted);
}

MemberSet::~MemberSet() = default;
MemberSet::MemberSet(MemberSet&&) noexcept = default;

Column MemberSet::contains(const Operand& argument) const {
  const Column& column = argument.column();
  ColumnBuilder out(column.size());
  for (std::size_t i = 0; i < column.size(); ++i) {
    bool found = false;
    switch (column.kind(i)) {
      case Kind::boolean:
      case Kind::int64:
        found = values_->has(column.int64(i));
        break;
      case Kind::float64:
        found = values_->has(column.float64(i));
        break;
      case Kind::string:
        found = values_->has(column.text(i));
        break;
      case Kind::null:
      case Kind::bytes:
      case Kind::nested:
      case Kind::invalid:
        break;
    }
    out.set_boolean(i, found);
  }
  return Column(std::move(out));
}

}  // namespace tiderace
