#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <vector>

#include "formats/json/fields.h"
#include "formats/json/instructions.h"

namespace tiderace::json {

/// The bytes between two values of a record, as some record had them: `,"gForceX":` with its white space
/// (`{"gForceX":` at the front). Comparing them is much cheaper than reading a name.
struct alignas(16) Gap {
  static constexpr std::size_t max_length = 48;  ///< more would be compared behind the padding of a record
  static constexpr std::size_t max_followers = 4;

  std::array<Byte, max_length> bytes{};
  std::array<std::uint32_t, 3> masks{0x10000, 0,
                                     0};  ///< which of each 16 bytes count; 0x10000 matches nothing
  std::uint32_t length = 0;
  std::uint32_t name_begin = 0;  ///< of the opening quote of the name
  Field* field = nullptr;        ///< the field named; null if nobody wants it
  std::array<Gap*, max_followers>
      followers{};  ///< gaps that came next in some record, the likeliest first; never null
};

/// Whether the bytes at `p` are those of `gap`. Reads up to 48 bytes.
template <class Instructions>
TIDERACE_INLINE bool matches(const Gap& gap, const Byte* p) noexcept {
  const std::uint32_t first = gap.masks[0];
  if ((Instructions::equal(p, gap.bytes.data()) & first) != first) return false;
  if (TIDERACE_LIKELY(gap.length <= 16)) return true;
  const std::uint32_t second = gap.masks[1];
  if ((Instructions::equal(p + 16, gap.bytes.data() + 16) & second) != second) return false;
  if (gap.length <= 32) return true;
  const std::uint32_t third = gap.masks[2];
  return (Instructions::equal(p + 32, gap.bytes.data() + 32) & third) == third;
}

/// The shapes of the records seen so far, as a graph: each gap knows which gaps followed it. Kinds of records
/// that alternate, fields that are absent here and there and changes of format each add an edge; nothing has
/// to be learnt anew. Speed alone depends on it.
///
///     start ──> {"timestamp": ──> ,"gForceX": ──> ,"gForceY": ──> ,"gForceZ":
///                             └─> ,"latitude": ──> ,"longitude": ──> ...
class GapGraph {
 public:
  explicit GapGraph(const Fields& fields);

  /// Followed by the gaps that records begin with.
  [[nodiscard]] Gap* start() noexcept { return &gaps_.front(); }
  /// The gap of these bytes, whose name (opening quote to closing quote) is well-formed; from now on it
  /// follows `previous`. Not every gap can be kept: the result then lives until the next call and is linked
  /// with none.
  [[nodiscard]] Gap* learn(Gap* previous, const Byte* begin, const Byte* name_begin, const Byte* name_end,
                           const Byte* end);
  /// Moves follower `i` of `gap` a place to the front.
  static void prefer(Gap& gap, std::size_t i) noexcept { std::swap(gap.followers[i], gap.followers[i - 1]); }

 private:
  [[nodiscard]] Gap** place(const Byte* begin, std::size_t length) noexcept;
  void fill(Gap& gap, const Byte* begin, const Byte* name_begin, const Byte* name_end, const Byte* end);
  void clear();
  static void link(Gap* previous, Gap* gap, Gap* none) noexcept;

  const Fields& fields_;
  std::deque<Gap> gaps_;     // the first is the start, the second matches nothing, the third is not kept
  std::vector<Gap*> table_;  // open addressing by the bytes
  std::uint32_t not_kept_ = 0;
  std::string unescaped_;
};

}  // namespace tiderace::json
