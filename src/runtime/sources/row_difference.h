#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace tiderace {

/// How two JSON texts of one row differ that were written at different times.
struct RowDifference {
  enum class Kind {
    none,          ///< not at all, or in how numbers are spelled
    other_kinds,   ///< in the kinds of values: `1` and `"1"`, or an integer and the float that it is rounded
                   ///< to
    other_values,  ///< they are not of one row
  };
  Kind kind = Kind::none;
  std::string first;  ///< where it is `other_kinds`: `"x": 1 and "1"`
};

[[nodiscard]] RowDifference difference_of(std::string_view was, std::string_view is);

/// The same for two texts whose difference is not `other_values`: which of many to compare a text with.
[[nodiscard]] std::size_t difference_hash(std::string_view row);

}  // namespace tiderace
