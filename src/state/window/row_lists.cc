#include "state/window/row_lists.h"

#include <unordered_map>

#include "base/error.h"
#include "state/state_key.h"
#include "state/window/page_tree.h"
#include "state/window/window_codec.h"

namespace tiderace {

RowLists::RowLists(StateStore& store, KeyTable& keys, std::string_view step, std::size_t columns)
    : store_(store), keys_(keys), step_(state_key::of_step(step)), pool_(columns) {}

void RowLists::damaged(KeyId key, const char* wrong) const {
  throw_error(
      ErrorKind::state,
      "the stored window of key \"{}\" is damaged: {}; remove the directory of the state, and it is restored "
      "from its changelog",
      keys_.key(key), wrong);
}

void RowLists::load(KeyId key, RowList& list) {
  list.loaded = true;
  const auto bytes = store_.get(state_key::head(step_, keys_.key(key)));
  if (!bytes) return;
  StoredHead head;
  StoredLinks links;
  RowPage* const page = pool_.take(RowPage::full);
  if (const char* wrong = decode_head(*bytes, head, links, *page)) damaged(key, wrong);
  list.first = list.last = pool_.take(page->size);
  list.last->append(*page, 0, page->size);
  list.pages = 1;
  give(page);
  list.seen = head.seen;
  list.next_number = head.next_number;
  if (head.full_pages > 0) load_pages(key, list, head.full_pages, links.previous);
  list.last->number = list.next_number++;
}

void RowLists::load_pages(KeyId key, RowList& list, std::uint64_t count, std::uint64_t previous) {
  struct Found {
    RowPage* page;
    StoredLinks links;
  };
  std::unordered_map<std::uint64_t, Found> found;
  store_.scan(state_key::all_numbered(step_, keys_.key(key)),
              [&](std::string_view name, std::string_view value) {
                Found next{pool_.take(RowPage::full), {}};
                if (const char* wrong = decode_page(value, next.links, *next.page)) damaged(key, wrong);
                next.page->number = state_key::number_of(name);
                next.page->stored = true;
                found.emplace(next.page->number, next);
                return true;
              });
  if (found.size() != count) damaged(key, "pages of it are missing or were left over");
  for (; count > 0; --count) {
    const auto at = previous == 0 ? found.end() : found.find(previous - 1);
    if (at == found.end()) damaged(key, "a page of it is missing");
    RowPage* const page = at->second.page;
    if (page->last_position() > list.first->first_position()) damaged(key, "its pages are out of order");
    if (page->number >= list.next_number) damaged(key, "a page has a number that was not given out");
    page->next = list.first;
    list.first->previous = page;
    list.first = page;
    previous = at->second.links.previous;
    found.erase(at);
    ++list.pages;
  }
}

RowPage* RowLists::make_room(KeyId key, RowList& list) {
  RowPage* const old = list.last;
  if (old == nullptr) {
    list.first = list.last = pool_.take(1);
    list.last->number = list.next_number++;
    list.pages = 1;
    return nullptr;
  }
  if (old->size < old->capacity) return nullptr;
  if (old->capacity == RowPage::full) {
    list_page(key, old);
    RowPage* const page = pool_.take(RowPage::full);
    page->number = list.next_number++;
    page->previous = old;
    old->next = page;
    list.last = page;
    ++list.pages;
    return nullptr;
  }
  RowPage* const page = pool_.take(old->capacity * 2u);
  page->append(*old, 0, old->size);
  page->number = old->number;
  page->previous = old->previous;
  if (old->previous != nullptr) old->previous->next = page;
  if (list.first == old) list.first = page;
  list.last = page;
  pool_.give(old);
  return old;
}

RowLists::Place RowLists::insert(KeyId key, RowList& list, RowPage* page, std::int64_t position,
                                 std::span<const WindowValue> values) {
  TIDERACE_CHECK(page->size < page->capacity || page->size == RowPage::full);
  RowPage* upper = nullptr;
  if (page->size == RowPage::full) {
    upper = pool_.take(RowPage::full);
    upper->append(*page, RowPage::full / 2, RowPage::full);
    page->size = RowPage::full / 2;
    upper->number = list.next_number++;
    upper->previous = page;
    upper->next = page->next;
    page->next = upper;
    if (upper->next != nullptr) upper->next->previous = upper;
    ++list.pages;
    if (list.last == page) list.last = upper;
    list_page(key, page);
    if (upper != list.last) list_page(key, upper);
    if (upper->next != nullptr && upper->next != list.last) list_page(key, upper->next);
  }
  RowPage* const into = upper != nullptr && upper->first_position() <= position ? upper : page;
  const std::uint32_t index = into->rows_until(position);
  into->insert(index, position, values);
  if (into != list.last) list_page(key, into);
  return {into, index, upper};
}

void RowLists::drop_first(KeyId key, RowList& list) {
  RowPage* const page = list.first;
  TIDERACE_CHECK(page != list.last);
  list.first = page->next;
  list.first->previous = nullptr;
  --list.pages;
  if (page->stored) deleted_.push_back({key, page->number});
  give(page);
}

void RowLists::clear(KeyId key, RowList& list) {
  if (list.empty()) return;
  while (list.first != list.last) drop_first(key, list);
  give(list.last);
  list.first = list.last = nullptr;
  list.pages = 0;
  list.seen = INT64_MIN;
}

void RowLists::forget(RowList& list) noexcept {
  for (RowPage* page = list.first; page != nullptr;) {
    RowPage* const next = page->next;
    give(page);
    page = next;
  }
  list = RowList{};
}

void RowLists::erase(KeyId key, RowList& list, std::vector<Change>& changes) {
  TIDERACE_CHECK(!list.dirty);
  changes.push_back({state_key::head(step_, keys_.key(key)), std::nullopt});
  clear(key, list);
  flush_pages(changes);
}

void RowLists::give(RowPage* page) noexcept {
  delete page->node;
  page->node = nullptr;
  if (page->listed)
    page->dropped = true;
  else
    pool_.give(page);
}

void RowLists::list_page(KeyId key, RowPage* page) {
  if (page->listed) return;
  page->listed = true;
  listed_.push_back({page, key});
}

void RowLists::flush_pages(std::vector<Change>& changes) {
  for (const Deleted& deleted : deleted_) {
    changes.push_back({state_key::numbered(step_, keys_.key(deleted.key), deleted.number), std::nullopt});
  }
  deleted_.clear();
  for (const Listed& listed : listed_) {
    RowPage* const page = listed.page;
    page->listed = false;
    if (page->dropped) {
      pool_.give(page);
      continue;
    }
    Change change{state_key::numbered(step_, keys_.key(listed.key), page->number), std::string()};
    encode_page(*page, *change.value);
    page->stored = true;
    changes.push_back(std::move(change));
  }
  listed_.clear();
}

void RowLists::flush_head(std::vector<Change>& changes, KeyId key, RowList& list) {
  list.dirty = false;
  Change change{state_key::head(step_, keys_.key(key)), std::string()};
  encode_head({list.seen, list.next_number, list.pages - 1}, *list.last, *change.value);
  changes.push_back(std::move(change));
}

}  // namespace tiderace
