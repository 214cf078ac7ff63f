#pragma once

#include <bit>
#include <cstdint>
#include <cstring>

#if defined(__SSE2__) && !defined(TIDERACE_PORTABLE_JSON)
#include <emmintrin.h>
#define TIDERACE_JSON_SSE2 1
#endif

#define TIDERACE_INLINE inline __attribute__((always_inline))
#define TIDERACE_OUTLINE __attribute__((noinline))
#define TIDERACE_LIKELY(condition) __builtin_expect(static_cast<bool>(condition), 1)
#define TIDERACE_UNLIKELY(condition) __builtin_expect(static_cast<bool>(condition), 0)

/// The few questions about 16 bytes at once that the scanners ask, per instruction set. Scanners are
/// templates over such a type, so that one program can run (and test) several. All of them read 16 bytes at
/// `p`; bit i of an answer speaks of byte i.
namespace tiderace::json {

static_assert(std::endian::native == std::endian::little,
              "the scanners read digits and masks as little-endian words");

using Byte = std::uint8_t;

struct StringMasks {
  std::uint32_t quotes;    ///< `"`
  std::uint32_t specials;  ///< bytes that a string cannot hold as they are, or not without a look: control,
                           ///< `\`, not ASCII
};

/// Works everywhere: two 64-bit words.
struct Portable {
  static TIDERACE_INLINE std::uint32_t non_digits(const Byte* p) noexcept {
    return top_bits(non_digit_tops(word(p))) | top_bits(non_digit_tops(word(p + 8))) << 8;
  }

  static TIDERACE_INLINE StringMasks string_masks(const Byte* p) noexcept {
    const std::uint64_t low = word(p);
    const std::uint64_t high = word(p + 8);
    return {top_bits(zero_tops(low ^ each('"'))) | top_bits(zero_tops(high ^ each('"'))) << 8,
            top_bits(special_tops(low)) | top_bits(special_tops(high)) << 8};
  }

  static TIDERACE_INLINE std::uint32_t equal(const Byte* p, const Byte* aligned) noexcept {
    return top_bits(zero_tops(word(p) ^ word(aligned))) | top_bits(zero_tops(word(p + 8) ^ word(aligned + 8)))
                                                              << 8;
  }

 private:
  static constexpr std::uint64_t each(std::uint64_t byte) noexcept { return byte * 0x0101010101010101; }
  static TIDERACE_INLINE std::uint64_t word(const Byte* p) noexcept {
    std::uint64_t value;
    std::memcpy(&value, p, sizeof value);
    return value;
  }
  // The additions below are on 7 bits a byte, so that none carries into its neighbour.
  static constexpr std::uint64_t zero_tops(std::uint64_t x) noexcept {
    return ~(((x & each(0x7f)) + each(0x7f)) | x) & each(0x80);
  }
  static constexpr std::uint64_t non_digit_tops(std::uint64_t x) noexcept {
    const std::uint64_t digit = x ^ each('0');
    return (((digit & each(0x7f)) + each(0x80 - 10)) | digit) & each(0x80);
  }
  static constexpr std::uint64_t special_tops(std::uint64_t x) noexcept {
    const std::uint64_t control = ~((x & each(0x7f)) + each(0x80 - 0x20)) & each(0x80);
    return control | (x & each(0x80)) | zero_tops(x ^ each('\\'));
  }
  static constexpr std::uint32_t top_bits(std::uint64_t tops) noexcept {
    return static_cast<std::uint32_t>((tops * 0x0002040810204081) >> 56);
  }
};

#ifdef TIDERACE_JSON_SSE2
struct Sse2 {
  static TIDERACE_INLINE std::uint32_t non_digits(const Byte* p) noexcept {
    // '9' becomes 127 and '0' 118, the least of all digits under a signed compare.
    const __m128i shifted = _mm_add_epi8(load(p), _mm_set1_epi8(127 - '9'));
    return mask(_mm_cmpgt_epi8(_mm_set1_epi8(127 - 9), shifted));
  }

  static TIDERACE_INLINE StringMasks string_masks(const Byte* p) noexcept {
    const __m128i bytes = load(p);
    // Signed, bytes that are not ASCII are below 0x20 too: one compare for both.
    const __m128i low = _mm_cmplt_epi8(bytes, _mm_set1_epi8(0x20));
    return {mask(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('"'))),
            mask(_mm_or_si128(low, _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\'))))};
  }

  static TIDERACE_INLINE std::uint32_t equal(const Byte* p, const Byte* aligned) noexcept {
    return mask(_mm_cmpeq_epi8(load(p), _mm_load_si128(reinterpret_cast<const __m128i*>(aligned))));
  }

 private:
  static TIDERACE_INLINE __m128i load(const Byte* p) noexcept {
    return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  }
  static TIDERACE_INLINE std::uint32_t mask(__m128i bytes) noexcept {
    return static_cast<std::uint32_t>(_mm_movemask_epi8(bytes));
  }
};
using Native = Sse2;
#else
using Native = Portable;
#endif

}  // namespace tiderace::json
