#pragma once

#include <cstdint>

namespace tiderace {

/// The kind of one value. The kind belongs to the value, never to the batch that it shares; the numbers are
/// bits, so that the kinds that occur in a column are a mask.
enum class Kind : std::uint8_t {
  null = 0,
  boolean = 1,
  int64 = 2,
  float64 = 4,
  string = 8,
  bytes = 16,
  nested = 32,  ///< an object or array, as its raw JSON text
  /// A value that cannot be used and is not touched by anybody yet: see `columnar/invalid.h` for what it says
  /// of what is wrong (a number beyond int64, a lone surrogate, a duplicated field, ...). An expression that
  /// reads it makes the row bad; nobody else sees it.
  invalid = 64,
};

/// A union of kinds; `null` has no bit of its own, `has_null` of a column tells it.
using KindMask = std::uint8_t;

constexpr KindMask mask_of(Kind kind) noexcept {
  return static_cast<KindMask>(kind);
}
constexpr KindMask number_mask = mask_of(Kind::boolean) | mask_of(Kind::int64) | mask_of(Kind::float64);
constexpr KindMask text_mask = mask_of(Kind::string) | mask_of(Kind::bytes) | mask_of(Kind::nested);
constexpr KindMask any_mask = number_mask | text_mask;
constexpr KindMask invalid_mask = mask_of(Kind::invalid);

constexpr bool in(Kind kind, KindMask mask) noexcept {
  return (mask_of(kind) & mask) != 0;
}
constexpr bool is_number(Kind kind) noexcept {
  return in(kind, number_mask);
}
constexpr bool is_text(Kind kind) noexcept {
  return in(kind, text_mask);
}

/// The name users see: `null bool int64 float64 string bytes nested invalid`.
const char* to_string(Kind kind) noexcept;

}  // namespace tiderace
