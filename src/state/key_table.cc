#include "state/key_table.h"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "base/error.h"

namespace tiderace {
namespace {

constexpr std::size_t first_capacity = 64;
constexpr std::size_t chunk_size = 64 << 10;
constexpr std::size_t ahead = 16;

std::uint64_t mix(std::uint64_t a, std::uint64_t b) noexcept {
  const auto product = static_cast<unsigned __int128>(a) * b;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

std::uint64_t load(const char* at, std::size_t size) noexcept {
  std::uint64_t word = 0;
  std::memcpy(&word, at, size);
  return word;
}

/// Multiply and fold, 16 bytes a round; the last up to 16 bytes are read as two words that may overlap.
std::uint64_t hash_of(std::string_view key) noexcept {
  constexpr std::uint64_t a = 0x9e3779b97f4a7c15, b = 0xd1b54a32d192ed03, c = 0x8cb92ba72f3d8dd7;
  const char* at = key.data();
  std::size_t left = key.size();
  std::uint64_t state = a ^ left;
  while (left > 16) {
    state = mix(load(at, 8) ^ b, load(at + 8, 8) ^ state);
    at += 16;
    left -= 16;
  }
  std::uint64_t low = 0;
  std::uint64_t high = 0;
  if (left >= 8) {
    low = load(at, 8);
    high = load(at + left - 8, 8);
  } else if (left >= 4) {
    low = load(at, 4);
    high = load(at + left - 4, 4);
  } else if (left > 0) {
    low = static_cast<unsigned char>(at[0]) |
          static_cast<std::uint64_t>(static_cast<unsigned char>(at[left / 2])) << 8 |
          static_cast<std::uint64_t>(static_cast<unsigned char>(at[left - 1])) << 16;
  }
  return mix(mix(low ^ b, high ^ state), c);
}

}  // namespace

KeyTable::KeyTable() {
  rehash(first_capacity);
}

KeyId KeyTable::intern(std::string_view key) {
  return find_or_add(key, hash_of(key));
}

void KeyTable::intern(std::span<const std::string_view> keys, std::span<KeyId> ids) {
  TIDERACE_CHECK(keys.size() == ids.size());
  std::uint64_t hashes[ahead];
  for (std::size_t begin = 0; begin < keys.size(); begin += ahead) {
    const std::size_t count = std::min(ahead, keys.size() - begin);
    for (std::size_t i = 0; i < count; ++i) {
      hashes[i] = hash_of(keys[begin + i]);
      __builtin_prefetch(&entries_[hashes[i] & mask_]);
    }
    for (std::size_t i = 0; i < count; ++i) ids[begin + i] = find_or_add(keys[begin + i], hashes[i]);
  }
}

KeyId KeyTable::find(std::string_view key) const noexcept {
  const std::uint64_t hash = hash_of(key);
  std::size_t at = hash & mask_;
  while (entries_[at].id != no_key && keys_[entries_[at].id] != key) at = (at + 1) & mask_;
  return entries_[at].id;
}

KeyId KeyTable::find_or_add(std::string_view key, std::uint64_t hash) {
  const auto tag = static_cast<std::uint32_t>(hash >> 32);
  std::size_t at = hash & mask_;
  while (entries_[at].id != no_key) {
    const Entry entry = entries_[at];
    if (entry.tag == tag && keys_[entry.id] == key) {
      touched_[entry.id] = generation_;
      return entry.id;
    }
    at = (at + 1) & mask_;
  }
  return add_key(key, hash, at);
}

KeyId KeyTable::add_key(std::string_view key, std::uint64_t hash, std::size_t at) {
  TIDERACE_CHECK(keys_.size() < no_key);
  const auto id = static_cast<KeyId>(keys_.size());
  keys_.push_back(store_bytes(key));
  touched_.push_back(generation_);
  entries_[at] = {static_cast<std::uint32_t>(hash >> 32), id};
  if (keys_.size() * 2 > entries_.size()) rehash(entries_.size() * 2);
  return id;
}

std::string_view KeyTable::store_bytes(std::string_view key) {
  if (key.empty()) return {};
  if (key.size() > free_bytes_) {
    const std::size_t size = std::max(chunk_size, key.size());
    chunks_.push_back(std::make_unique_for_overwrite<char[]>(size));
    chunk_bytes_ += size;
    free_ = chunks_.back().get();
    free_bytes_ = size;
  }
  char* const copy = free_;
  std::memcpy(copy, key.data(), key.size());
  free_ += key.size();
  free_bytes_ -= key.size();
  return {copy, key.size()};
}

void KeyTable::rehash(std::size_t capacity) {
  entries_.assign(capacity, Entry{0, no_key});
  mask_ = capacity - 1;
  for (KeyId id = 0; id < keys_.size(); ++id) {
    const std::uint64_t hash = hash_of(keys_[id]);
    std::size_t at = hash & mask_;
    while (entries_[at].id != no_key) at = (at + 1) & mask_;
    entries_[at] = {static_cast<std::uint32_t>(hash >> 32), id};
  }
}

void KeyTable::remove(KeyedContainer* container) noexcept {
  std::erase(containers_, container);
}

std::size_t KeyTable::bytes() const noexcept {
  const std::size_t own = entries_.size() * sizeof(Entry) + chunk_bytes_ +
                          keys_.capacity() * sizeof(std::string_view) +
                          touched_.capacity() * sizeof(std::uint32_t);
  return std::accumulate(
      containers_.begin(), containers_.end(), own,
      [](std::size_t sum, const KeyedContainer* container) { return sum + container->bytes(); });
}

bool KeyTable::trim(std::size_t limit_bytes) {
  const std::size_t held = bytes();
  const std::size_t before = size();
  if (held > limit_bytes && before > 0) {
    const double share = 0.75 * static_cast<double>(limit_bytes) / static_cast<double>(held);
    retain(newest(static_cast<std::size_t>(share * static_cast<double>(before))));
  }
  ++generation_;
  return size() != before;
}

std::vector<KeyId> KeyTable::newest(std::size_t count) const {
  std::vector<KeyId> ids(size());
  std::iota(ids.begin(), ids.end(), KeyId{0});
  const auto cut = ids.begin() + static_cast<std::ptrdiff_t>(count);
  // Ages, not generations, are compared, so that the counter may wrap.
  std::nth_element(ids.begin(), cut, ids.end(), [this](KeyId a, KeyId b) {
    return generation_ - touched_[a] < generation_ - touched_[b];
  });
  ids.erase(cut, ids.end());
  std::sort(ids.begin(), ids.end());
  return ids;
}

void KeyTable::retain(std::span<const KeyId> kept) {
  for (KeyedContainer* container : containers_) container->remap(kept);
  const std::vector<std::unique_ptr<char[]>> old_chunks = std::move(chunks_);
  chunks_.clear();
  free_bytes_ = 0;
  chunk_bytes_ = 0;
  std::vector<std::string_view> keys;
  std::vector<std::uint32_t> touched;
  keys.reserve(kept.size());
  touched.reserve(kept.size());
  for (const KeyId id : kept) {
    keys.push_back(store_bytes(keys_[id]));
    touched.push_back(touched_[id]);
  }
  keys_ = std::move(keys);
  touched_ = std::move(touched);
  std::size_t capacity = first_capacity;
  while (capacity < keys_.size() * 2) capacity *= 2;
  entries_.shrink_to_fit();
  rehash(capacity);
}

}  // namespace tiderace
