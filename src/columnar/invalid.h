#pragma once

#include <tiderace/error.h>

#include <cstddef>
#include <string>
#include <string_view>

#include "columnar/column.h"

namespace tiderace {

/// What a value of Kind::invalid says: why an expression that reads it makes the row bad. Lives as long as
/// the column's text.
struct InvalidView {
  BadRowKind kind;
  std::string_view message;
};

/// Makes row `i` a value of Kind::invalid: one byte of `kind`, then `message`. The builder's text grows by
/// both.
inline void set_invalid(ColumnBuilder& builder, std::size_t i, BadRowKind kind, std::string_view message) {
  std::string text(1, static_cast<char>(kind));
  text += message;
  builder.set_text(i, Kind::invalid, text);
}

/// The text of a value of Kind::invalid, taken apart.
[[nodiscard]] inline InvalidView invalid_view(std::string_view text) noexcept {
  return {static_cast<BadRowKind>(text.front()), text.substr(1)};
}

/// Row `i` of `column`, which is of Kind::invalid. Valid as long as a copy of the column lives.
[[nodiscard]] inline InvalidView invalid_view(const Column& column, std::size_t i) noexcept {
  return invalid_view(column.text(i));
}

}  // namespace tiderace
