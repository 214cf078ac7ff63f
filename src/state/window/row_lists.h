#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "state/key_table.h"
#include "state/store.h"
#include "state/window/row_page.h"

namespace tiderace {

/// The rows of one key: pages in the order of positions. All but the last are full pages to the store,
/// records of their own.
struct RowList {
  RowPage* first = nullptr;
  RowPage* last = nullptr;
  std::uint64_t next_number = 0;
  std::int64_t seen = INT64_MIN;  ///< the largest event time of the key
  std::uint32_t pages = 0;
  bool loaded = false;
  bool dirty = false;  ///< whether it is to be written at the next flush

  [[nodiscard]] bool empty() const noexcept { return last == nullptr; }
  [[nodiscard]] std::int64_t newest() const noexcept { return last->last_position(); }
};

/// Reads, changes and writes the row lists of the keys of one step. What changed is written page by page, so
/// that the cost of a flush follows what changed and not what is kept. After a call that threw the object is
/// good for nothing but its destruction.
class RowLists {
 public:
  RowLists(StateStore& store, KeyTable& keys, std::string_view step, std::size_t columns);

  /// Fills `list`, new, with what the store has for the key.
  void load(KeyId key, RowList& list);
  /// Sees to it that the last page has room for one more row: a larger one takes its place, whose old address
  /// is returned, or, where it has all the rows that a page can have, another comes behind it, and null is
  /// returned.
  RowPage* make_room(KeyId key, RowList& list);
  /// Inserts a row behind all of `page` that are not after it; a full page is split before (call `make_room`
  /// first if `page` is the last and smaller than it can be). Returns the page that has the row now, its
  /// index in it, and the new upper half if there was a split.
  struct Place {
    RowPage* page;
    std::uint32_t index;
    RowPage* split;
  };
  Place insert(KeyId key, RowList& list, RowPage* page, std::int64_t position,
               std::span<const WindowValue> values);
  /// Drops the first page, which is not the last; its record will be deleted.
  void drop_first(KeyId key, RowList& list);
  /// Drops all rows and their records but the head, which a row that follows overwrites.
  void clear(KeyId key, RowList& list);
  /// Gives back the pages without a word to the store: it has them.
  void forget(RowList& list) noexcept;
  /// Marks the list for the next flush.
  void touch(KeyId key, RowList& list) {
    if (list.dirty) return;
    list.dirty = true;
    touched_.push_back(key);
  }

  /// Appends what changed since the last flush. `list_of(key)` gives the list of a key.
  template <class ListOf>
  void flush(std::vector<Change>& changes, ListOf list_of) {
    flush_pages(changes);
    for (const KeyId key : touched_) flush_head(changes, key, list_of(key));
    touched_.clear();
  }
  [[nodiscard]] bool flushed() const noexcept {
    return touched_.empty() && listed_.empty() && deleted_.empty();
  }
  /// Drops all rows and appends deletes of all records. The list is flushed.
  void erase(KeyId key, RowList& list, std::vector<Change>& changes);

  [[nodiscard]] std::size_t bytes() const noexcept { return pool_.bytes(); }
  [[nodiscard]] const std::string& step() const noexcept { return step_; }

 private:
  struct Listed {
    RowPage* page;
    KeyId key;
  };
  struct Deleted {
    KeyId key;
    std::uint64_t number;
  };
  void list_page(KeyId key, RowPage* page);
  void flush_pages(std::vector<Change>& changes);
  void flush_head(std::vector<Change>& changes, KeyId key, RowList& list);
  void load_pages(KeyId key, RowList& list, std::uint64_t count, std::uint64_t previous);
  [[noreturn]] void damaged(KeyId key, const char* wrong) const;
  void give(RowPage* page) noexcept;

  StateStore& store_;
  KeyTable& keys_;
  std::string step_;  ///< as `state_key::of_step` gives it
  RowPagePool pool_;
  std::vector<KeyId> touched_;
  std::vector<Listed> listed_;
  std::vector<Deleted> deleted_;
};

}  // namespace tiderace
