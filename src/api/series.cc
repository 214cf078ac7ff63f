#include <tiderace/series.h>

#include "api/frame_access.h"
#include "api/row_function.h"
#include "base/error.h"

namespace tiderace {
namespace {

const plan::Series& of(const Series& series) {
  return FrameAccess::of(series);
}
Series constant(Scalar value) {
  return FrameAccess::make(plan::Series(std::move(value)));
}
Series unary(const Series& series, UnaryOperator op) {
  return FrameAccess::make(of(series).unary(op));
}
Series binary(const Series& left, BinaryOperator op, const Series& right) {
  return FrameAccess::make(of(left).binary(op, of(right)));
}

std::optional<plan::Series> bound(const std::optional<Series>& series) {
  return series ? std::optional(of(*series)) : std::nullopt;
}

}  // namespace

Series FrameAccess::make(plan::Series series) {
  return Series(std::make_shared<const SeriesState>(SeriesState{std::move(series)}));
}

plan::RollingOptions rolling_options(const RollingOptions& options) {
  plan::RollingOptions result;
  result.grace_ns = options.grace.count();
  result.min_periods = options.min_periods;
  result.name = options.name;
  if (const LatePolicy* policy = std::get_if<LatePolicy>(&options.on_late)) {
    if (*policy == LatePolicy::drop) result.on_late = DropLate{};
  } else if (const TopicPtr* topic = std::get_if<TopicPtr>(&options.on_late)) {
    result.on_late = *topic;
  } else {
    const auto& function = std::get<std::function<void(const Row&)>>(options.on_late);
    result.on_late = make_row_function([function](Row& row, State*) {
      function(row);
      return Value();
    });
  }
  return result;
}

Series::Series(bool value) : Series(constant(value)) {}
Series::Series(double value) : Series(constant(value)) {}
Series::Series(const char* value) : Series(constant(std::string(value))) {}
Series::Series(const std::string& value) : Series(constant(value)) {}
Series::Series(std::nullptr_t) : Series(constant(std::monostate())) {}
Series Series::of_integer(std::int64_t value) {
  return constant(value);
}

Series Series::operator[](const std::string& field) const {
  return FrameAccess::make(of(*this).field(field));
}

Series Series::abs() const {
  return unary(*this, UnaryOperator::absolute);
}
Series Series::sqrt() const {
  return unary(*this, UnaryOperator::sqrt);
}
Series Series::exp() const {
  return unary(*this, UnaryOperator::exp);
}
Series Series::log() const {
  return unary(*this, UnaryOperator::log);
}
Series Series::isnull() const {
  return unary(*this, UnaryOperator::is_null);
}
Series Series::notnull() const {
  return unary(*this, UnaryOperator::not_null);
}
Series Series::round(int decimals) const {
  return FrameAccess::make(of(*this).round(decimals));
}
Series Series::clip(const std::optional<Series>& lower, const std::optional<Series>& upper) const {
  return FrameAccess::make(of(*this).clip(bound(lower), bound(upper)));
}
Series Series::fillna(const Series& value) const {
  return FrameAccess::make(of(*this).fillna(of(value)));
}
Series Series::between(const Series& left, const Series& right) const {
  return FrameAccess::make(of(*this).between(of(left), of(right)));
}
Series Series::astype(std::string_view kind) const {
  return FrameAccess::make(of(*this).astype(kind));
}

Series Series::isin(const std::vector<Series>& values) const {
  std::vector<Scalar> constants;
  for (const Series& value : values) {
    const Literal* literal = std::get_if<Literal>(&of(value).expression()->node);
    if (literal == nullptr)
      throw_error(ErrorKind::plan, "{}.isin: wanted constants, found {}", to_string(), value.to_string());
    constants.push_back(literal->value);
  }
  return FrameAccess::make(of(*this).isin(std::move(constants)));
}

Series Series::diff(std::int64_t periods, const std::string& name) const {
  return FrameAccess::make(of(*this).diff(periods, name));
}
Series Series::shift(std::int64_t periods, const std::string& name) const {
  return FrameAccess::make(of(*this).shift(periods, name));
}

Series Series::apply(std::function<Value(const Value&)> function, const std::string& function_name) const {
  return FrameAccess::make(of(*this).apply(make_value_function(std::move(function)), function_name));
}

std::string Series::to_string() const {
  return of(*this).to_text();
}

Series operator+(const Series& left, const Series& right) {
  return binary(left, BinaryOperator::add, right);
}
Series operator-(const Series& left, const Series& right) {
  return binary(left, BinaryOperator::subtract, right);
}
Series operator*(const Series& left, const Series& right) {
  return binary(left, BinaryOperator::multiply, right);
}
Series operator/(const Series& left, const Series& right) {
  return binary(left, BinaryOperator::divide, right);
}
Series operator%(const Series& left, const Series& right) {
  return binary(left, BinaryOperator::modulo, right);
}
Series operator<(const Series& left, const Series& right) {
  return binary(left, BinaryOperator::less, right);
}
Series operator<=(const Series& left, const Series& right) {
  return binary(left, BinaryOperator::less_equal, right);
}
Series operator>(const Series& left, const Series& right) {
  return binary(left, BinaryOperator::greater, right);
}
Series operator>=(const Series& left, const Series& right) {
  return binary(left, BinaryOperator::greater_equal, right);
}
Series operator==(const Series& left, const Series& right) {
  return binary(left, BinaryOperator::equal, right);
}
Series operator!=(const Series& left, const Series& right) {
  return binary(left, BinaryOperator::not_equal, right);
}
Series operator&(const Series& left, const Series& right) {
  return binary(left, BinaryOperator::logical_and, right);
}
Series operator|(const Series& left, const Series& right) {
  return binary(left, BinaryOperator::logical_or, right);
}
Series operator-(const Series& series) {
  return unary(series, UnaryOperator::negate);
}
Series operator~(const Series& series) {
  return unary(series, UnaryOperator::invert);
}
Series operator!(const Series& series) {
  return unary(series, UnaryOperator::invert);
}

Series where(const Series& condition, const Series& then, const Series& otherwise) {
  return FrameAccess::make(plan::Series::where(of(condition), of(then), of(otherwise)));
}
Series floor_divide(const Series& left, const Series& right) {
  return binary(left, BinaryOperator::floor_divide, right);
}
Series pow(const Series& base, const Series& exponent) {
  return binary(base, BinaryOperator::power, exponent);
}

StringMethods Series::str() const {
  return StringMethods(*this);
}
Series StringMethods::lower() const {
  return unary(series_, UnaryOperator::lower);
}
Series StringMethods::upper() const {
  return unary(series_, UnaryOperator::upper);
}
Series StringMethods::len() const {
  return unary(series_, UnaryOperator::length);
}
Series StringMethods::contains(const std::string& pattern, bool regex) const {
  return FrameAccess::make(
      of(series_).match(regex ? MatchKind::contains_regex : MatchKind::contains_literal, pattern));
}
Series StringMethods::startswith(const std::string& text) const {
  return FrameAccess::make(of(series_).match(MatchKind::starts_with, text));
}
Series StringMethods::endswith(const std::string& text) const {
  return FrameAccess::make(of(series_).match(MatchKind::ends_with, text));
}

struct RollingSeries::State {
  plan::RollingSeries rolling;
  [[nodiscard]] Series aggregate(Aggregate aggregate, int ddof = 1) const {
    return FrameAccess::make(rolling.aggregate(aggregate, ddof));
  }
};

RollingSeries Series::rolling(std::chrono::nanoseconds window, const RollingOptions& options) const {
  return RollingSeries(std::make_shared<const RollingSeries::State>(RollingSeries::State{
      of(*this).rolling(plan::Window::of_nanoseconds(window.count()), rolling_options(options))}));
}
RollingSeries Series::rolling(const std::string& window, const RollingOptions& options) const {
  return RollingSeries(std::make_shared<const RollingSeries::State>(
      RollingSeries::State{of(*this).rolling(plan::Window::of_text(window), rolling_options(options))}));
}
RollingSeries Series::rolling(std::int64_t rows, const RollingOptions& options) const {
  return RollingSeries(std::make_shared<const RollingSeries::State>(
      RollingSeries::State{of(*this).rolling(plan::Window::of_rows(rows), rolling_options(options))}));
}
RollingSeries Series::rolling(int rows, const RollingOptions& options) const {
  return rolling(std::int64_t{rows}, options);
}

Series RollingSeries::mean() const {
  return required(state_, "tr::RollingSeries")->aggregate(Aggregate::mean);
}
Series RollingSeries::sum() const {
  return required(state_, "tr::RollingSeries")->aggregate(Aggregate::sum);
}
Series RollingSeries::min() const {
  return required(state_, "tr::RollingSeries")->aggregate(Aggregate::min);
}
Series RollingSeries::max() const {
  return required(state_, "tr::RollingSeries")->aggregate(Aggregate::max);
}
Series RollingSeries::count() const {
  return required(state_, "tr::RollingSeries")->aggregate(Aggregate::count);
}
Series RollingSeries::std(int ddof) const {
  return required(state_, "tr::RollingSeries")->aggregate(Aggregate::std, ddof);
}
Series RollingSeries::var(int ddof) const {
  return required(state_, "tr::RollingSeries")->aggregate(Aggregate::var, ddof);
}

}  // namespace tiderace
