#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "columnar/batch.h"

namespace tiderace {

/// Per-key hot state, indexed by KeyId, that a KeyTable keeps in step when it forgets keys.
class KeyedContainer {
 public:
  virtual ~KeyedContainer() = default;
  /// Key i is from now on what was key `kept[i]` (ascending); all others are forgotten. Called only when
  /// nothing is unflushed.
  virtual void remap(std::span<const KeyId> kept) = 0;
  /// Bytes held, approximately.
  [[nodiscard]] virtual std::size_t bytes() const noexcept = 0;
};

/// The keys of one task, interned to dense ids. One thread.
class KeyTable {
 public:
  KeyTable();
  KeyTable(const KeyTable&) = delete;
  KeyTable& operator=(const KeyTable&) = delete;

  /// The id of `key`, a new one (`size()`) if it was not known; marks it as touched in this generation.
  /// Amortised O(1).
  KeyId intern(std::string_view key);
  /// The same for many; faster than one by one where the table is larger than the caches.
  void intern(std::span<const std::string_view> keys, std::span<KeyId> ids);

  /// The id of `key` if it is known, else no_key. Does not touch it.
  [[nodiscard]] KeyId find(std::string_view key) const noexcept;

  /// The bytes of a key; valid until the next `trim`.
  [[nodiscard]] std::string_view key(KeyId id) const noexcept { return keys_[id]; }
  [[nodiscard]] std::size_t size() const noexcept { return keys_.size(); }

  /// `container` must outlive the table or be removed.
  void add(KeyedContainer* container) { containers_.push_back(container); }
  void remove(KeyedContainer* container) noexcept;

  /// Bytes of the table and of all its containers, approximately.
  [[nodiscard]] std::size_t bytes() const noexcept;

  /// Call after a checkpoint, when the store has taken all changes: if more than `limit_bytes` are held,
  /// forgets the keys that were not touched for longest until about three quarters of it remain, and
  /// renumbers the others; then begins a new generation. Returns whether ids have changed. O(keys) when it
  /// forgets, else O(containers).
  bool trim(std::size_t limit_bytes);

 private:
  struct Entry {
    std::uint32_t tag;  ///< the high half of the hash
    KeyId id;           ///< no_key: free
  };
  [[nodiscard]] KeyId find_or_add(std::string_view key, std::uint64_t hash);
  [[nodiscard]] KeyId add_key(std::string_view key, std::uint64_t hash, std::size_t at);
  [[nodiscard]] std::string_view store_bytes(std::string_view key);
  [[nodiscard]] std::vector<KeyId> newest(std::size_t count) const;
  void retain(std::span<const KeyId> kept);
  void rehash(std::size_t capacity);

  std::vector<Entry> entries_;  ///< open addressing, linear probing, a power of two, at most half full
  std::size_t mask_ = 0;
  std::vector<std::string_view> keys_;
  std::vector<std::uint32_t> touched_;  ///< by id: the last generation that saw the key
  std::uint32_t generation_ = 0;
  std::vector<std::unique_ptr<char[]>> chunks_;
  char* free_ = nullptr;
  std::size_t free_bytes_ = 0;
  std::size_t chunk_bytes_ = 0;
  std::vector<KeyedContainer*> containers_;
};

}  // namespace tiderace
