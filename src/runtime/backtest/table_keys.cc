#include "runtime/backtest/table_keys.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <functional>
#include <numeric>
#include <string_view>

#include "runtime/backtest/in_parallel.h"

namespace tiderace {
namespace {

constexpr std::size_t slice_rows = 8192;  // stays in the second-level cache

/// The decimal digits of `number`, in `room`.
std::string_view digits_of(std::int64_t number, std::array<char, 20>& room) {
  return {room.data(), std::to_chars(room.begin(), room.end(), number).ptr};
}

}  // namespace

std::optional<std::string> key_text(const Column& keys, std::size_t row) {
  std::array<char, 20> room;
  if (keys.kind(row) == Kind::int64) return std::string(digits_of(keys.int64(row), room));
  if (keys.kind(row) == Kind::string || keys.kind(row) == Kind::bytes) return std::string(keys.text(row));
  return std::nullopt;
}

TableKeys::TableKeys(const BacktestInput& input, bool needed, std::size_t threads)
    : known_(needed && input.key), piece_rows_(input.rows / threads + 1), pieces_(threads) {
  if (!known_) return;
  numbers_ = Buffer<KeyId>(input.rows);
  std::atomic<bool> ended = false;
  in_parallel(threads, [&](std::size_t piece) { read(input, piece, ended); });
}

void TableKeys::read(const BacktestInput& input, std::size_t piece, std::atomic<bool>& ended) try {
  KeyTable& table = pieces_[piece].table;
  const std::size_t end = std::min(input.rows, (piece + 1) * piece_rows_);
  std::vector<std::string_view> texts;
  for (std::size_t begin = piece * piece_rows_; begin < end && !ended; begin += slice_rows) {
    if (piece == 0 && input.interrupt) input.interrupt();
    const std::size_t size = std::min(slice_rows, end - begin);
    const Column keys = input.column(std::span(&*input.key, 1), begin, size);
    const std::span<KeyId> numbers(numbers_.data() + begin, size);
    if (keys.all(Kind::string)) {
      texts.resize(size);
      for (std::size_t i = 0; i < size; ++i) texts[i] = keys.text(i);
      table.intern(texts, numbers);
      continue;
    }
    std::array<char, 20> room;
    for (std::size_t i = 0; i < size; ++i) {
      if (keys.kind(i) == Kind::int64) {
        numbers[i] = table.intern(digits_of(keys.int64(i), room));
      } else if (const auto key = key_text(keys, i)) {
        numbers[i] = table.intern(*key);
      } else {
        numbers[i] = keys.is_null(i) ? no_key : bad_key;
      }
    }
  }
  for (KeyId id = 0; id < table.size(); ++id) {
    const std::size_t hash = std::hash<std::string_view>()(table.key(id));
    pieces_[piece].shares.push_back(static_cast<std::uint8_t>(hash % shares()));
  }
} catch (...) {
  ended = true;
  throw;
}

std::vector<std::uint32_t> TableKeys::rows_of(std::size_t share, std::size_t begin, std::size_t size) const {
  if (!known_ || shares() == 1) {
    const std::size_t first = size * share / shares();
    std::vector<std::uint32_t> rows(size * (share + 1) / shares() - first);
    std::iota(rows.begin(), rows.end(), static_cast<std::uint32_t>(first));
    return rows;
  }
  std::vector<std::uint32_t> rows(size);
  std::size_t count = 0;
  by_piece(begin, begin + size, [&](std::size_t piece, std::size_t first, std::size_t last) {
    const std::vector<std::uint8_t>& taken_by = pieces_[piece].shares;
    for (std::size_t row = first; row < last; ++row) {
      const KeyId number = numbers_[row];
      rows[count] = static_cast<std::uint32_t>(row - begin);
      count += (number < bad_key ? taken_by[number] : 0) == share ? 1 : 0;
    }
  });
  rows.resize(count);
  return rows;
}

void TableKeys::begin_pass() {
  for (Piece& piece : pieces_) piece.ids.assign(piece.table.size(), no_key);
}

void TableKeys::look_up(std::size_t begin, std::span<const std::uint32_t> rows, KeyTable& table,
                        std::span<KeyId> ids) {
  if (rows.empty()) return;
  std::size_t i = 0;
  by_piece(begin + rows.front(), begin + rows.back() + 1, [&](std::size_t p, std::size_t, std::size_t last) {
    Piece& piece = pieces_[p];
    for (; i < rows.size() && begin + rows[i] < last; ++i) {
      const KeyId number = numbers_[begin + rows[i]];
      if (number >= bad_key) continue;
      KeyId& id = piece.ids[number];  // a key has one share, so no other thread is here
      if (id == no_key) id = table.intern(piece.table.key(number));
      ids[i] = id;
    }
  });
}

}  // namespace tiderace
