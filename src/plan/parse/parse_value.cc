#include "plan/parse/parse_value.h"

#include <fmt/format.h>

#include <algorithm>

#include "expr/text/spelling.h"

namespace tiderace::plan {
namespace {

struct Shown {
  std::string operator()(const Scalar& scalar) const { return to_text(scalar); }
  std::string operator()(const Series&) const { return "a column"; }
  std::string operator()(const Frame&) const { return "a frame"; }
  std::string operator()(const RollingSeries&) const {
    return "a rolling window; call .mean() or the like on it";
  }
  std::string operator()(const RollingFrame&) const {
    return "a rolling window; call .mean() or the like on it";
  }
  std::string operator()(const std::shared_ptr<const Topic>&) const { return "a topic"; }
  std::string operator()(const StringMethods&) const { return ".str; call .str.lower() or the like"; }
  std::string operator()(const ApplicationName&) const { return "app"; }
  std::string operator()(const ModuleName&) const { return "tr"; }
  std::string operator()(const FloatName&) const { return "float"; }
  std::string operator()(const List&) const { return "a list"; }
  std::string operator()(const Dictionary&) const { return "a dictionary"; }
};

[[noreturn]] void refuse(const Value& value, const std::string& wanted) {
  refuse_text(value.position, fmt::format("wanted {}, found {}", wanted, shown(value)));
}

template <class Wanted>
Wanted scalar_of(const Value& value, const std::string& wanted) {
  const Scalar* scalar = std::get_if<Scalar>(&value.is);
  const Wanted* found = scalar == nullptr ? nullptr : std::get_if<Wanted>(scalar);
  if (found == nullptr) refuse(value, wanted);
  return *found;
}

}  // namespace

std::string shown(const Value& value) {
  return std::visit(Shown{}, value.is);
}

Series as_series(const Value& value) {
  if (const Series* series = std::get_if<Series>(&value.is)) return *series;
  return Series(as_scalar(value, "a column or a constant"));
}

Scalar as_scalar(const Value& value, const std::string& wanted) {
  const Scalar* scalar = std::get_if<Scalar>(&value.is);
  if (scalar == nullptr) refuse(value, wanted);
  return *scalar;
}

std::string as_string(const Value& value, const std::string& wanted) {
  return scalar_of<std::string>(value, wanted);
}
std::int64_t as_integer(const Value& value, const std::string& wanted) {
  return scalar_of<std::int64_t>(value, wanted);
}
bool as_boolean(const Value& value, const std::string& wanted) {
  return scalar_of<bool>(value, wanted);
}

std::vector<std::string> as_strings(const Value& value, const std::string& wanted) {
  const List* list = std::get_if<List>(&value.is);
  if (list == nullptr) refuse(value, wanted);
  std::vector<std::string> strings;
  for (const Value& element : *list) strings.push_back(as_string(element, wanted));
  return strings;
}

void Arguments::add(Value value) {
  if (!named_.empty())
    refuse_text(value.position, fmt::format("{}: arguments without a name come first", call_));
  positional_.push_back(std::move(value));
}

void Arguments::add(std::string name, Value value) {
  const bool twice =
      std::any_of(named_.begin(), named_.end(), [&](const auto& named) { return named.first == name; });
  if (twice) refuse_text(value.position, fmt::format("{}: {}= is given twice", call_, name));
  named_.emplace_back(std::move(name), std::move(value));
}

std::optional<Value> Arguments::take_named(const std::string& name) {
  const auto found =
      std::find_if(named_.begin(), named_.end(), [&](const auto& named) { return named.first == name; });
  if (found == named_.end()) return std::nullopt;
  Value value = std::move(found->second);
  named_.erase(found);
  return value;
}

std::optional<Value> Arguments::take(const std::string& name) {
  std::optional<Value> named = take_named(name);
  if (taken_ == positional_.size()) return named;
  if (named) refuse_text(named->position, fmt::format("{}: {}= is given twice", call_, name));
  return positional_[taken_++];
}

Value Arguments::need(const std::string& name) {
  std::optional<Value> value = take(name);
  if (!value) refuse_text(position_, fmt::format("{}: {}= is missing", call_, name));
  return *std::move(value);
}

void Arguments::done() const {
  if (taken_ < positional_.size()) {
    refuse_text(positional_[taken_].position, fmt::format("{} takes {} arguments without a name, found {}",
                                                          call_, taken_, positional_.size()));
  }
  if (!named_.empty())
    refuse_text(named_[0].second.position, fmt::format("{} has no argument {}=", call_, named_[0].first));
}

}  // namespace tiderace::plan
