#pragma once

#include <tiderace/error.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "columnar/column.h"

namespace tiderace {

/// What a value of Kind::invalid says: why an expression that reads it makes the row bad. Lives as long as
/// the column's text.
struct InvalidView {
  BadRowKind kind;
  std::string_view message;
  std::string_view raw;  ///< its JSON text, where that may be handed on as it is; else empty
};

/// Makes row `i` a value of Kind::invalid: a byte of `kind`, the length of `message` (4 bytes, the machine's
/// order), `message`, `raw`. The builder's text grows by all of it.
inline void set_invalid(ColumnBuilder& builder, std::size_t i, BadRowKind kind, std::string_view message,
                        std::string_view raw = {}) {
  const auto size = static_cast<std::uint32_t>(message.size());
  std::string text(1 + sizeof size, static_cast<char>(kind));
  std::memcpy(text.data() + 1, &size, sizeof size);
  text += message;
  text += raw;
  builder.set_text(i, Kind::invalid, text);
}

/// The text of a value of Kind::invalid, taken apart.
[[nodiscard]] inline InvalidView invalid_view(std::string_view text) noexcept {
  std::uint32_t size = 0;
  std::memcpy(&size, text.data() + 1, sizeof size);
  const std::string_view rest = text.substr(1 + sizeof size);
  return {static_cast<BadRowKind>(text.front()), rest.substr(0, size), rest.substr(size)};
}

/// Row `i` of `column`, which is of Kind::invalid. Valid as long as a copy of the column lives.
[[nodiscard]] inline InvalidView invalid_view(const Column& column, std::size_t i) noexcept {
  return invalid_view(column.text(i));
}

}  // namespace tiderace
