#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "columnar/batch.h"
#include "columnar/function.h"

namespace tiderace {

/// What the columns of a place hold whose columns hold one kind each (numbers are one): that of the first
/// value of a row that fits, or what the place says. Integers that a float64 has not are not mixed with
/// floats. One thread.
class ColumnKinds {
 public:
  /// Adds the rows of `columns`, each of `size`, that do not fit to `errors`, and learns from those that have
  /// no entry there.
  void judge(const std::vector<NamedColumn>& columns, std::size_t size, RowErrors& errors);
  /// Rows that were judged and are not in the place yet.
  enum class OnTheirWay { none, some };
  /// What the place has by name: `int64 float64 string bool bytes`, or `integer`, an int64 some of which no
  /// float64 is; goes before what was learned, but for what rows on their way will bring. Throws
  /// Error{config} for another word.
  void tell(const std::map<std::string, std::string>& kinds, OnTheirWay rows);

 private:
  struct Known {
    Kind family = Kind::null;
    bool any_text = false;   ///< it has text, maybe nested values as JSON
    bool fractions = false;  ///< it has floats
    bool large = false;      ///< it has integers that no float64 is
  };
  static void tell_number(Known& known, const std::string& kind, OnTheirWay rows);
  [[nodiscard]] bool all_fit(const std::vector<NamedColumn>& columns) const;
  void learn(const NamedColumn& named);
  void learn(const NamedColumn& named, std::size_t i);
  /// What is wrong with a value; empty: nothing.
  void check(const NamedColumn& named, std::size_t i, RowErrors& errors) const;

  std::map<std::string, Known> known_;
};

/// Makes one column of those whose names differ in the capitals of ASCII alone, called as the first of them;
/// a row with a value in two is added to `errors`, and one with a value in a column without a name.
[[nodiscard]] std::vector<NamedColumn> folded(std::vector<NamedColumn> columns, RowErrors& errors);

/// `name` with small letters for the capitals of ASCII.
[[nodiscard]] std::string folded_name(std::string name);

/// Whether `value` becomes another number as a float64.
[[nodiscard]] bool is_rounded(std::int64_t value) noexcept;

}  // namespace tiderace
