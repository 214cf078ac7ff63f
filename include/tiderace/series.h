#pragma once

#include <tiderace/export.h>
#include <tiderace/row.h>
#include <tiderace/topic.h>

#include <chrono>
#include <concepts>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <variant>
#include <vector>

namespace TIDERACE_API tiderace {

class RollingSeries;
class StringMethods;
struct SeriesState;
class Series;
// Declared here as well, since what is first declared as a friend is not shown by the shared library.
Series operator+(const Series& left, const Series& right);
Series operator-(const Series& left, const Series& right);
Series operator*(const Series& left, const Series& right);
Series operator/(const Series& left, const Series& right);
Series operator%(const Series& left, const Series& right);
Series operator<(const Series& left, const Series& right);
Series operator<=(const Series& left, const Series& right);
Series operator>(const Series& left, const Series& right);
Series operator>=(const Series& left, const Series& right);
Series operator==(const Series& left, const Series& right);
Series operator!=(const Series& left, const Series& right);
Series operator&(const Series& left, const Series& right);
Series operator|(const Series& left, const Series& right);
Series operator-(const Series& series);
Series operator~(const Series& series);
Series operator!(const Series& series);

/// What happens to a late row beyond counting it.
enum class LatePolicy : std::uint8_t {
  keep,  ///< it stays in the flow, with null in the column
  drop,  ///< it is taken out
};
/// A policy, a topic that takes the row as it stands, or a function that is called with it.
using OnLateRow = std::variant<LatePolicy, TopicPtr, std::function<void(const Row&)>>;

/// The options of `rolling`.
struct RollingOptions {
  std::chrono::nanoseconds grace = {};  ///< how much later than the window a row may still come
  std::optional<std::int64_t> min_periods =
      {};  ///< values below which the result is null; unset: 1, or the rows
  OnLateRow on_late = LatePolicy::keep;
  std::string name = {};  ///< of the state; empty: what the step says
};

/// One value a row of a frame: a column, or what is computed from columns. pandas' meaning, nullable types.
/// An immutable value; constants stand wherever a series may: `sdf["x"] + 1`.
///
/// ```cpp
/// sdf["total"] = sdf["x"].abs() + sdf["y"].abs();
/// sdf = sdf[sdf["total"] > 2.5 & sdf["rider"].notnull()];   // mind C++'s precedence: put comparisons in ()
/// ```
///
/// *State*: `rolling`, `diff` and `shift` keep rows of each key. A series with state is for the frame that it
/// was taken from; any other may be used on a later frame while its columns are unchanged. *Errors*: what
/// cannot be throws Error{plan} at once. *Threads*: one that builds.
class Series {
 public:
  Series(bool value);                // NOLINT(google-explicit-constructor)
  Series(double value);              // NOLINT(google-explicit-constructor)
  Series(const char* value);         // NOLINT(google-explicit-constructor)
  Series(const std::string& value);  // NOLINT(google-explicit-constructor)
  Series(std::nullptr_t);            // NOLINT(google-explicit-constructor): null
  template <std::signed_integral Integer>
  Series(Integer value) : Series(of_integer(value)) {}  // NOLINT(google-explicit-constructor)
  template <std::unsigned_integral Integer>
  requires(sizeof(Integer) < sizeof(std::int64_t) && !std::is_same_v<Integer, bool>) Series(Integer value)
      : Series(of_integer(value)) {}  // NOLINT(google-explicit-constructor)

  /// A value inside a nested one: `sdf["gps"]["lat"]`.
  Series operator[](const std::string& field) const;

  [[nodiscard]] Series abs() const;
  /// To `decimals` places, halves to even.
  [[nodiscard]] Series round(int decimals = 0) const;
  /// Not below `lower` nor above `upper`; `std::nullopt` for no bound.
  [[nodiscard]] Series clip(const std::optional<Series>& lower,
                            const std::optional<Series>& upper = std::nullopt) const;
  [[nodiscard]] Series sqrt() const;
  [[nodiscard]] Series exp() const;
  [[nodiscard]] Series log() const;
  [[nodiscard]] Series isnull() const;
  [[nodiscard]] Series isna() const { return isnull(); }
  [[nodiscard]] Series notnull() const;
  [[nodiscard]] Series notna() const { return notnull(); }
  [[nodiscard]] Series fillna(const Series& value) const;
  /// Whether the value is one of `values`: constants.
  [[nodiscard]] Series isin(const std::vector<Series>& values) const;
  /// Between `left` and `right`, both included.
  [[nodiscard]] Series between(const Series& left, const Series& right) const;
  /// Converted to `int64`, `float64`, `string` or `bool`; a value that cannot be converted makes the row bad.
  [[nodiscard]] Series astype(std::string_view kind) const;
  /// `sdf["name"].str().lower()`.
  [[nodiscard]] StringMethods str() const;

  /// Over the rows of the key in (t - window, t]: `sdf["x"].rolling(10s).mean()`.
  [[nodiscard]] RollingSeries rolling(std::chrono::nanoseconds window,
                                      const RollingOptions& options = {}) const;
  /// The same with a pandas offset, `rolling("10s")`.
  [[nodiscard]] RollingSeries rolling(const std::string& window, const RollingOptions& options = {}) const;
  /// Over the last `rows` rows of the key in order of arrival.
  [[nodiscard]] RollingSeries rolling(std::int64_t rows, const RollingOptions& options = {}) const;
  [[nodiscard]] RollingSeries rolling(int rows, const RollingOptions& options = {}) const;
  /// This row's value minus that of `periods` rows of the key ago.
  [[nodiscard]] Series diff(std::int64_t periods = 1, const std::string& name = {}) const;
  /// The value of `periods` rows of the key ago.
  [[nodiscard]] Series shift(std::int64_t periods = 1, const std::string& name = {}) const;
  /// Calls `function` with every value, also null: `sdf["x"].apply([](const tr::Value& x) { return
  /// x.is_null() ? 0 : 1; })`.
  [[nodiscard]] Series apply(std::function<Value(const Value&)> function,
                             const std::string& function_name = "function") const;

  /// The series as plan text.
  [[nodiscard]] std::string to_string() const;

  friend Series operator+(const Series& left, const Series& right);
  friend Series operator-(const Series& left, const Series& right);
  friend Series operator*(const Series& left, const Series& right);
  friend Series operator/(const Series& left, const Series& right);
  friend Series operator%(const Series& left, const Series& right);
  friend Series operator<(const Series& left, const Series& right);
  friend Series operator<=(const Series& left, const Series& right);
  friend Series operator>(const Series& left, const Series& right);
  friend Series operator>=(const Series& left, const Series& right);
  friend Series operator==(const Series& left, const Series& right);
  friend Series operator!=(const Series& left, const Series& right);
  friend Series operator&(const Series& left, const Series& right);
  friend Series operator|(const Series& left, const Series& right);
  friend Series operator-(const Series& series);
  friend Series operator~(const Series& series);
  friend Series operator!(const Series& series);

 protected:
  friend struct FrameAccess;
  explicit Series(std::shared_ptr<const SeriesState> state) : state_(std::move(state)) {}

 private:
  [[nodiscard]] static Series of_integer(std::int64_t value);
  std::shared_ptr<const SeriesState> state_;
};

/// `then` where `condition` is true, `otherwise` where it is false or null.
[[nodiscard]] Series where(const Series& condition, const Series& then, const Series& otherwise);
/// Python's `left // right`: rounded down.
[[nodiscard]] Series floor_divide(const Series& left, const Series& right);
/// Python's `base ** exponent`.
[[nodiscard]] Series pow(const Series& base, const Series& exponent);

/// Methods of strings: `sdf["name"].str().contains("^a")`.
class StringMethods {
 public:
  [[nodiscard]] Series lower() const;
  [[nodiscard]] Series upper() const;
  /// In code points.
  [[nodiscard]] Series len() const;
  /// Whether the regular expression (RE2) is found; with `regex` false, the text itself.
  [[nodiscard]] Series contains(const std::string& pattern, bool regex = true) const;
  [[nodiscard]] Series startswith(const std::string& text) const;
  [[nodiscard]] Series endswith(const std::string& text) const;

 private:
  friend class Series;
  explicit StringMethods(Series series) : series_(std::move(series)) {}
  Series series_;
};

/// `sdf["x"].rolling(10s)`: `count` of nothing is 0, everything else of nothing is null.
class RollingSeries {
 public:
  [[nodiscard]] Series mean() const;
  [[nodiscard]] Series sum() const;
  [[nodiscard]] Series min() const;
  [[nodiscard]] Series max() const;
  [[nodiscard]] Series count() const;
  [[nodiscard]] Series std(int ddof = 1) const;
  [[nodiscard]] Series var(int ddof = 1) const;

 private:
  friend class Series;
  struct State;
  explicit RollingSeries(std::shared_ptr<const State> state) : state_(std::move(state)) {}
  std::shared_ptr<const State> state_;
};

}  // namespace tiderace
