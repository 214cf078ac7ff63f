#pragma once

#include <tiderace/export.h>

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace TIDERACE_API tiderace {

class Value;
/// The elements of a JSON array.
using Array = std::vector<Value>;

/// A row, or an object inside one: values by name, in order.
///
/// ```cpp
/// tr::Row row{{"rider", "anna"}, {"speed", 7.5}};
/// row["fast"] = row["speed"].get<double>() > 5;
/// ```
///
/// *Errors*: reading what is not there throws Error{plan}. *Threads*: as a std::vector.
class Row {
 public:
  using Field = std::pair<std::string, Value>;

  Row();
  Row(std::initializer_list<Field> fields);
  ~Row();
  Row(const Row& other);
  Row(Row&& other) noexcept;
  Row& operator=(const Row& other);
  Row& operator=(Row&& other) noexcept;

  /// The value of that name; added at the end, as null, where it is missing.
  Value& operator[](std::string_view name);
  /// The value of that name. Throws Error{plan} where it is missing.
  [[nodiscard]] const Value& operator[](std::string_view name) const;
  [[nodiscard]] bool contains(std::string_view name) const noexcept;
  /// Takes a field out; without effect where it is missing.
  void erase(std::string_view name);
  [[nodiscard]] std::size_t size() const noexcept;
  [[nodiscard]] std::vector<Field>::const_iterator begin() const noexcept;
  [[nodiscard]] std::vector<Field>::const_iterator end() const noexcept;
  friend bool operator==(const Row& left, const Row& right) = default;

 private:
  [[nodiscard]] std::size_t find(std::string_view name) const noexcept;
  std::vector<Field> fields_;
};

/// One JSON value: null, bool, int64, double, string, array or object.
///
/// ```cpp
/// const tr::Value value = 7;
/// const double number = value.get<double>();   // ints serve as doubles
/// ```
///
/// *Errors*: `get` of another kind throws Error{plan} with what was wanted and found. *Threads*: as a
/// std::vector.
class Value {
 public:
  using Variant = std::variant<std::monostate, bool, std::int64_t, double, std::string, Array, Row>;

  Value() = default;
  Value(std::nullptr_t) {}                                       // NOLINT(google-explicit-constructor)
  Value(double value) : value_(value) {}                         // NOLINT(google-explicit-constructor)
  Value(std::string value) : value_(std::move(value)) {}         // NOLINT(google-explicit-constructor)
  Value(std::string_view value) : value_(std::string(value)) {}  // NOLINT(google-explicit-constructor)
  Value(const char* value) : value_(std::string(value)) {}       // NOLINT(google-explicit-constructor)
  Value(Array value) : value_(std::move(value)) {}               // NOLINT(google-explicit-constructor)
  Value(Row value) : value_(std::move(value)) {}                 // NOLINT(google-explicit-constructor)
  /// A bool or an integer; one beyond int64 becomes a double.
  template <class Number>
  requires std::is_integral_v<Number> Value(Number value) {  // NOLINT(google-explicit-constructor)
    if constexpr (std::is_same_v<Number, bool>) {
      value_ = value;
    } else if (std::in_range<std::int64_t>(value)) {
      value_ = static_cast<std::int64_t>(value);
    } else {
      value_ = static_cast<double>(value);
    }
  }

  [[nodiscard]] bool is_null() const noexcept { return value_.index() == 0; }
  /// Whether it holds just a T: bool, std::int64_t, double, std::string, Array or Row.
  template <class T>
  [[nodiscard]] bool is() const noexcept {
    return std::holds_alternative<T>(value_);
  }
  /// The T that it holds. For `double`, an int serves too.
  template <class T>
  [[nodiscard]] T get() const {
    if (const T* found = std::get_if<T>(&value_)) return *found;
    if constexpr (std::is_same_v<T, double>) {
      if (const std::int64_t* integer = std::get_if<std::int64_t>(&value_))
        return static_cast<double>(*integer);
    }
    refuse(std::is_same_v<T, bool>           ? "a bool"
           : std::is_same_v<T, std::int64_t> ? "an int64"
           : std::is_same_v<T, double>       ? "a number"
           : std::is_same_v<T, std::string>  ? "a string"
           : std::is_same_v<T, Array>        ? "an array"
                                             : "an object");
  }
  /// `row["gps"]["lat"]`. Throws Error{plan} where this is no object or has no such field.
  [[nodiscard]] const Value& operator[](std::string_view name) const;
  [[nodiscard]] const Variant& variant() const noexcept { return value_; }
  /// JSON text; infinities as null.
  [[nodiscard]] std::string to_string() const;
  friend bool operator==(const Value& left, const Value& right) = default;

 private:
  [[noreturn]] void refuse(const char* wanted) const;
  Variant value_;
};

}  // namespace tiderace
