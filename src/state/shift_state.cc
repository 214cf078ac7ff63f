// How the values behind `shift` are loaded, flushed and forgotten.
#include <algorithm>
#include <bit>

#include "base/error.h"
#include "columnar/records.h"
#include "state/shift_store.h"
#include "state/state_key.h"

namespace tiderace {
namespace {

constexpr char version = 1;
constexpr std::uint64_t page_rows = 32;

std::optional<std::int64_t> seen_of(std::string_view head) {
  if (head.empty() || head.front() != version) return std::nullopt;
  head.remove_prefix(1);
  const auto seen = take_varint(head);
  return seen ? std::optional(unzigzag(*seen)) : std::nullopt;
}

}  // namespace

ShiftStore::ShiftStore(ShiftOptions options, StateStore& store, KeyTable& keys)
    : options_(std::move(options)),
      store_(store),
      keys_(keys),
      step_(state_key::of_step(options_.step)),
      time_(store, step_, options_.ttl) {
  TIDERACE_CHECK(options_.periods > 0 && options_.periods <= INT32_MAX && options_.ttl >= 0);
  keys_.add(this);
}

ShiftStore::~ShiftStore() {
  keys_.remove(this);
}

void ShiftStore::damaged(KeyId key, const char* wrong) const {
  throw_error(ErrorKind::state,
              "the stored values of key \"{}\" are damaged: {}; remove the directory of the state, and it is "
              "restored from "
              "its changelog",
              keys_.key(key), wrong);
}

std::uint64_t ShiftStore::kept_from(const Ring& ring) const noexcept {
  const auto periods = static_cast<std::uint64_t>(options_.periods);
  return std::max(ring.begin, ring.count > periods ? ring.count - periods : 0);
}

std::uint64_t ShiftStore::inline_from(const Ring& ring) const noexcept {
  const std::uint64_t kept = kept_from(ring);
  if (options_.periods <= static_cast<std::int64_t>(page_rows)) return kept;
  return std::max(kept, ring.count / page_rows * page_rows);
}

void ShiftStore::append_cell(std::string& out, const Cell& cell) {
  out += static_cast<char>(cell.kind);
  if (is_text(cell.kind)) {
    append_varint(out, cell.text->size());
    out.append(*cell.text);
  } else if (cell.kind == Kind::boolean) {
    out += static_cast<char>(cell.payload);
  } else if (cell.kind == Kind::int64) {
    append_varint(out, zigzag(static_cast<std::int64_t>(cell.payload)));
  } else if (cell.kind == Kind::float64) {
    for (int shift = 0; shift < 64; shift += 8) out += static_cast<char>(cell.payload >> shift & 0xff);
  }
}

bool ShiftStore::take_cell(std::string_view& in, Cell& cell) {
  if (in.empty()) return false;
  cell.kind = static_cast<Kind>(in.front());
  in.remove_prefix(1);
  cell.payload = 0;
  if (is_text(cell.kind) && std::has_single_bit(static_cast<unsigned>(cell.kind))) {
    const auto size = take_varint(in);
    if (!size || *size > in.size()) return false;
    cell.text = std::make_unique<std::string>(in.substr(0, *size));
    cell_bytes_ += cell.text->capacity();
    in.remove_prefix(*size);
    return true;
  }
  switch (cell.kind) {
    case Kind::null:
      return true;
    case Kind::boolean:
      if (in.empty() || static_cast<unsigned char>(in.front()) > 1) return false;
      cell.payload = static_cast<unsigned char>(in.front());
      in.remove_prefix(1);
      return true;
    case Kind::int64: {
      const auto value = take_varint(in);
      cell.payload = static_cast<std::uint64_t>(unzigzag(value.value_or(0)));
      return value.has_value();
    }
    case Kind::float64: {
      if (in.size() < 8) return false;
      for (unsigned i = 0; i < 8; ++i) {
        cell.payload |= static_cast<std::uint64_t>(static_cast<unsigned char>(in[i])) << (8 * i);
      }
      in.remove_prefix(8);
      const double value = std::bit_cast<double>(cell.payload);
      return value == value;
    }
    default:
      return false;
  }
}

void ShiftStore::load(KeyId key, Ring& ring) {
  ring.loaded = true;
  const auto bytes = store_.get(state_key::head(step_, keys_.key(key)));
  if (!bytes) return;
  std::string_view in = *bytes;
  if (in.empty() || in.front() != version) damaged(key, "the record is of another version");
  in.remove_prefix(1);
  const auto seen = take_varint(in);
  const auto begin = take_varint(in);
  const auto count = take_varint(in);
  if (!seen || !begin || !count || *begin > *count) damaged(key, "the record is not readable");
  ring.seen = unzigzag(*seen);
  ring.begin = *begin;
  const std::uint64_t rows = *count;
  // Room is made before the rows count, so that it copies none.
  grow(ring, std::min(rows - *begin, static_cast<std::uint64_t>(options_.periods)));
  ring.count = rows;
  for (std::uint64_t row = inline_from(ring); row < rows; ++row) {
    if (!take_cell(in, cell(ring, row))) damaged(key, "the record ends early");
  }
  if (!in.empty()) damaged(key, "there are bytes behind the record");
  if (inline_from(ring) > kept_from(ring)) load_pages(key, ring);
}

void ShiftStore::load_pages(KeyId key, Ring& ring) {
  const std::uint64_t end = ring.count / page_rows;
  std::uint64_t next = kept_from(ring) / page_rows;
  ring.stored_begin = next;
  store_.scan(state_key::all_numbered(step_, keys_.key(key)),
              [&](std::string_view name, std::string_view in) {
                const std::uint64_t number = state_key::number_of(name);
                if (number != next || number >= end)
                  damaged(key, "a page of them is missing or was left over");
                if (in.empty() || in.front() != version) damaged(key, "a page of them is of another version");
                in.remove_prefix(1);
                for (std::uint64_t row = number * page_rows; row < (number + 1) * page_rows; ++row) {
                  Cell passed;
                  Cell& into = row >= kept_from(ring) ? cell(ring, row) : passed;
                  if (!take_cell(in, into)) damaged(key, "a page of them ends early");
                  if (passed.text) cell_bytes_ -= passed.text->capacity();
                }
                if (!in.empty()) damaged(key, "there are bytes behind a page of them");
                ++next;
                return true;
              });
  if (next != end) damaged(key, "a page of them is missing");
  ring.stored_end = end;
}

void ShiftStore::flush_pages(KeyId key, Ring& ring, std::vector<Change>& changes) {
  if (options_.periods <= static_cast<std::int64_t>(page_rows)) return;
  const std::uint64_t end = ring.count / page_rows;
  const std::uint64_t begin = std::min(kept_from(ring) / page_rows, end);
  const std::string_view name = keys_.key(key);
  for (std::uint64_t n = ring.stored_begin; n < std::min(begin, ring.stored_end); ++n) {
    changes.push_back({state_key::numbered(step_, name, n), std::nullopt});
  }
  for (std::uint64_t n = std::max(begin, ring.stored_end); n < end; ++n) {
    Change change{state_key::numbered(step_, name, n), std::string(1, version)};
    for (std::uint64_t row = n * page_rows; row < (n + 1) * page_rows; ++row) {
      // Rows that are forgotten already have no value any more.
      if (row >= kept_from(ring))
        append_cell(*change.value, cell(ring, row));
      else
        append_cell(*change.value, Cell{});
    }
    changes.push_back(std::move(change));
  }
  ring.stored_begin = begin;
  ring.stored_end = end;
}

void ShiftStore::flush(std::vector<Change>& changes) {
  for (const KeyId key : touched_) {
    Ring& ring = rings_[key];
    ring.dirty = false;
    flush_pages(key, ring, changes);
    Change change{state_key::head(step_, keys_.key(key)), std::string(1, version)};
    append_varint(*change.value, zigzag(ring.seen));
    append_varint(*change.value, ring.begin);
    append_varint(*change.value, ring.count);
    for (std::uint64_t row = inline_from(ring); row < ring.count; ++row)
      append_cell(*change.value, cell(ring, row));
    changes.push_back(std::move(change));
  }
  touched_.clear();
  time_.flush(changes);
}

void ShiftStore::expire(std::vector<Change>& changes) {
  if (!time_.forgets()) return;
  TIDERACE_CHECK(touched_.empty());
  for (KeyId key = 0; key < rings_.size(); ++key) {
    Ring& ring = rings_[key];
    if (ring.count == 0 || !time_.forgotten(ring.seen)) continue;
    const std::string_view name = keys_.key(key);
    changes.push_back({state_key::head(step_, name), std::nullopt});
    for (std::uint64_t n = ring.stored_begin; n < ring.stored_end; ++n) {
      changes.push_back({state_key::numbered(step_, name, n), std::nullopt});
    }
    release(ring);
    ring.loaded = true;
  }
  const auto is_hot = [this](std::string_view key) {
    const KeyId id = keys_.find(key);
    return id < rings_.size() && rings_[id].loaded;
  };
  time_.expire_cold(seen_of, is_hot, changes);
}

void ShiftStore::release(Ring& ring) noexcept {
  for (std::uint32_t i = 0; i < ring.capacity; ++i) {
    if (ring.cells[i].text) cell_bytes_ -= ring.cells[i].text->capacity();
  }
  cell_bytes_ -= ring.capacity * sizeof(Cell);
  ring = Ring{};
}

void ShiftStore::remap(std::span<const KeyId> kept) {
  TIDERACE_CHECK(touched_.empty());
  std::vector<Ring> rings;
  rings.reserve(kept.size());
  for (const KeyId key : kept) {
    if (key >= rings_.size()) break;  // interned, but without a row of this step
    rings.push_back(std::exchange(rings_[key], Ring{}));
  }
  for (Ring& ring : rings_) release(ring);
  rings_ = std::move(rings);
}

std::size_t ShiftStore::bytes() const noexcept {
  return cell_bytes_ + rings_.capacity() * sizeof(Ring);
}

}  // namespace tiderace
