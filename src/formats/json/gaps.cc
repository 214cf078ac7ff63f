#include "formats/json/gaps.h"

#include <algorithm>

#include "formats/json/text.h"

namespace tiderace::json {
namespace {

constexpr std::size_t max_gaps = 1024;
constexpr std::size_t table_size = 4 * max_gaps;  // a power of two
constexpr std::uint32_t patience = 100'000;       // gaps that were not kept before all is learnt anew

std::uint64_t hash_of(const Byte* begin, std::size_t length) noexcept {
  std::uint64_t hash = length;
  for (std::size_t i = 0; i < length; i += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, begin + i, std::min<std::size_t>(8, length - i));
    hash = (hash ^ word) * 0x9e3779b97f4a7c15;
    hash ^= hash >> 32;
  }
  return hash;
}

}  // namespace

GapGraph::GapGraph(const Fields& fields) : fields_(fields) {
  clear();
}

void GapGraph::clear() {
  gaps_.clear();
  gaps_.resize(3);
  for (Gap& gap : gaps_) gap.followers.fill(&gaps_[1]);
  table_.assign(table_size, nullptr);
  not_kept_ = 0;
}

Gap** GapGraph::place(const Byte* begin, std::size_t length) noexcept {
  for (std::size_t i = hash_of(begin, length);; ++i) {
    Gap*& found = table_[i % table_size];
    if (found == nullptr) return &found;
    if (found->length == length && std::memcmp(found->bytes.data(), begin, length) == 0) return &found;
  }
}

void GapGraph::fill(Gap& gap, const Byte* begin, const Byte* name_begin, const Byte* name_end,
                    const Byte* end) {
  std::string_view name(reinterpret_cast<const char*>(name_begin + 1),
                        static_cast<std::size_t>(name_end - name_begin - 2));
  if (name.find('\\') != std::string_view::npos) {
    // A lone surrogate names no field that anybody can ask for.
    unescaped_.clear();
    gap.field = unescape(name, unescaped_) ? fields_.top(unescaped_) : nullptr;
  } else {
    gap.field = fields_.top(name);
  }
  gap.name_begin = static_cast<std::uint32_t>(name_begin - begin);
  gap.length = static_cast<std::uint32_t>(end - begin);
}

void GapGraph::link(Gap* previous, Gap* gap, Gap* none) noexcept {
  auto& followers = previous->followers;
  if (std::find(followers.begin(), followers.end(), gap) != followers.end()) return;
  const auto free = std::find(followers.begin(), followers.end(), none);
  *(free == followers.end() ? free - 1 : free) = gap;
}

Gap* GapGraph::learn(Gap* previous, const Byte* begin, const Byte* name_begin, const Byte* name_end,
                     const Byte* end) {
  Gap* const none = &gaps_[1];
  Gap* const passing = &gaps_[2];
  const auto length = static_cast<std::size_t>(end - begin);
  Gap** found = length <= Gap::max_length ? place(begin, length) : nullptr;
  if (found != nullptr && *found != nullptr) {
    if (previous != passing) link(previous, *found, none);
    return *found;
  }
  if (found == nullptr || gaps_.size() >= max_gaps) {
    if (found != nullptr && ++not_kept_ > patience) clear();
    fill(gaps_[2], begin, name_begin, name_end, end);
    return &gaps_[2];
  }
  Gap& gap = gaps_.emplace_back();
  fill(gap, begin, name_begin, name_end, end);
  std::memcpy(gap.bytes.data(), begin, length);
  for (std::size_t i = 0; i < gap.masks.size(); ++i) {
    const std::size_t counted = std::clamp<std::size_t>(length, 16 * i, 16 * i + 16) - 16 * i;
    gap.masks[i] = (std::uint32_t{1} << counted) - 1;
  }
  gap.followers.fill(none);
  *found = &gap;
  if (previous != passing) link(previous, &gap, none);
  return &gap;
}

}  // namespace tiderace::json
