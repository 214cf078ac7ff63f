#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "columnar/column.h"

namespace tiderace {

/// What stands in a field of a row, or what is wrong with it.
template <class T>
struct Field {
  T value = {};
  std::string complaint;  ///< empty: nothing is wrong
};

/// Row `i` of `column`, the field `name`, as a record's key: a string as it is, an integer as decimal text.
[[nodiscard]] Field<std::string> key_of(const Column& column, std::size_t i, const std::string& name);

/// The same as a record's timestamp: milliseconds since 1970, fractions rounded down.
[[nodiscard]] Field<std::int64_t> timestamp_of(const Column& column, std::size_t i, const std::string& name);

/// The same as text: a string as it is, what else is in JSON; nullopt for null or nothing.
[[nodiscard]] Field<std::optional<std::string>> text_of(const Column& column, std::size_t i,
                                                        const std::string& name);

}  // namespace tiderace
