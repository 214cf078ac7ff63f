#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "plan/frame.h"
#include "plan/parse/tokens.h"

namespace tiderace::plan {

/// `app`, `tr`, `float`: names with methods and no value.
struct ApplicationName {};
struct ModuleName {};
struct FloatName {};
/// `sdf["x"].str`.
struct StringMethods {
  Series series;
};
struct Value;
using List = std::vector<Value>;
using Dictionary = std::vector<std::pair<std::string, Value>>;

/// What an expression of a plan text stands for.
struct Value {
  std::variant<Scalar, Series, Frame, RollingSeries, RollingFrame, std::shared_ptr<const Topic>,
               StringMethods, ApplicationName, ModuleName, FloatName, List, Dictionary>
      is;
  Position position;  ///< where it begins
};

/// `the number 5`, `a frame`, ...: what a message says was found.
[[nodiscard]] std::string shown(const Value& value);

// Each refuses, with the place, a value that is something else.
[[nodiscard]] Series as_series(const Value& value);
[[nodiscard]] Scalar as_scalar(const Value& value, const std::string& wanted);
[[nodiscard]] std::string as_string(const Value& value, const std::string& wanted);
[[nodiscard]] std::int64_t as_integer(const Value& value, const std::string& wanted);
[[nodiscard]] bool as_boolean(const Value& value, const std::string& wanted);
[[nodiscard]] std::vector<std::string> as_strings(const Value& value, const std::string& wanted);

/// The arguments of one call. Take each by name and place, then `done`.
class Arguments {
 public:
  Arguments(std::string call, Position position) : call_(std::move(call)), position_(position) {}
  void add(Value value);
  void add(std::string name, Value value);

  /// The argument of that name, or the next one without a name.
  [[nodiscard]] std::optional<Value> take(const std::string& name);
  /// The same for one with a name only.
  [[nodiscard]] std::optional<Value> take_named(const std::string& name);
  [[nodiscard]] Value need(const std::string& name);
  /// Refuses what nobody took.
  void done() const;

  [[nodiscard]] const std::string& call() const noexcept { return call_; }
  [[nodiscard]] Position position() const noexcept { return position_; }

 private:
  std::string call_;
  Position position_;
  std::vector<Value> positional_;
  std::size_t taken_ = 0;
  std::vector<std::pair<std::string, Value>> named_;
};

/// `receiver.method(arguments)`.
[[nodiscard]] Value call_method(const std::shared_ptr<Pipeline>& pipeline, const Value& receiver,
                                const std::string& method, Arguments& arguments);
/// The options of `app.topic(name, ...)`.
[[nodiscard]] TopicOptions topic_options(Arguments& arguments);

}  // namespace tiderace::plan
