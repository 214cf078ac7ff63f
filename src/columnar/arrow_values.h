#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "columnar/arrow_abi.h"
#include "columnar/column.h"

namespace tiderace {

/// An Arrow type by what a reader does with it; the width of an element is in bytes where it has one.
enum class ArrowLayout : std::uint8_t {
  none,
  null,
  boolean,
  signed_integer,
  unsigned_integer,
  floating,
  text,
  large_text,
  text_view,
  fixed_bytes,
  structure,
  list,
  large_list,
  fixed_list
};
struct ArrowType {
  ArrowLayout layout = ArrowLayout::none;  ///< none: a type that cannot be read
  std::size_t width = 0;                   ///< of an element in bytes; of a fixed list in values
  Kind kind = Kind::null;
};
/// What `format` of the C data interface says.
[[nodiscard]] ArrowType arrow_type(std::string_view format) noexcept;

/// The type of a column of `kind`; empty for null.
[[nodiscard]] std::string_view arrow_format(Kind kind) noexcept;
/// The name of a type that `arrow_type` cannot read, as Arrow's libraries print it: `decimal128(10, 2)`.
[[nodiscard]] std::string arrow_type_name(std::string_view format);

/// Whether value `i` (counted with the array's offset) is not null by its validity bitmap.
[[nodiscard]] bool is_valid(const ArrowArray& array, std::int64_t i) noexcept;
[[nodiscard]] inline bool bit_at(const void* bits, std::int64_t i) noexcept {
  return (static_cast<const std::uint8_t*>(bits)[i / 8] >> (i % 8) & 1) != 0;
}
[[nodiscard]] std::int64_t signed_at(const void* values, std::size_t width, std::int64_t i) noexcept;
[[nodiscard]] std::uint64_t unsigned_at(const void* values, std::size_t width, std::int64_t i) noexcept;
[[nodiscard]] double floating_at(const void* values, std::size_t width, std::int64_t i) noexcept;
/// The characters of value `i` of a text, large_text, text_view or fixed_bytes array.
[[nodiscard]] std::string_view text_at(const ArrowArray& array, const ArrowType& type,
                                       std::int64_t i) noexcept;

/// Appends value `i` of any array that can be read as JSON text (not finite: null). False if a type inside it
/// cannot.
[[nodiscard]] bool append_arrow_json(std::string& out, const ArrowSchema& schema, const ArrowArray& array,
                                     std::int64_t i);

}  // namespace tiderace
