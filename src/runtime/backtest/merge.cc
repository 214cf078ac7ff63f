#include "runtime/backtest/merge.h"

#include <algorithm>
#include <string>

#include "base/error.h"
#include "runtime/backtest/in_parallel.h"

namespace tiderace {
namespace {

constexpr std::size_t block_rows = 4096;  // what is known of a block's rows stays in the first-level cache

/// Where a row comes from.
struct Origin {
  std::uint32_t share = UINT32_MAX;
  std::uint32_t index = 0;
};

/// A piece of the table on its way into the result. One thread.
class Piece {
 public:
  Piece(std::span<const KeptRows> shares, std::size_t begin, std::size_t end)
      : shares_(shares), begin_(begin), end_(end), by_row_(block_rows), origins_(block_rows) {
    for (const KeptRows& share : shares) {
      const auto first = std::lower_bound(share.rows.begin(), share.rows.end(), begin);
      next_.push_back(static_cast<std::size_t>(first - share.rows.begin()));
      at_ += next_.back();
    }
    texts_.resize(shares.front().columns.size());
  }

  void run(std::span<std::uint32_t> rows, std::span<ColumnBuilder> columns) {
    std::size_t to = at_;
    for (std::size_t block = begin_; block < end_; block += block_rows) {
      const std::span<const Origin> origins = find_origins(block, std::min(block_rows, end_ - block));
      for (std::size_t i = 0; i < origins.size(); ++i)
        rows[to + i] = shares_[origins[i].share].rows[origins[i].index];
      for (std::size_t c = 0; c < columns.size(); ++c) {
        if (columns[c].size() != 0) copy(c, origins, columns[c], to);
      }
      to += origins.size();
    }
    size_ = to - at_;
  }

  /// Once all pieces have run, in their order: the characters of column `c` behind those of the pieces
  /// before.
  void append_text(std::size_t c, ColumnBuilder& column) const {
    if (texts_[c].empty()) return;
    const std::uint64_t base = column.text().size();
    TIDERACE_CHECK(base + texts_[c].size() <= UINT32_MAX);
    column.text() += texts_[c];
    for (std::size_t i = at_; i < at_ + size_; ++i) {
      if ((mask_of(column.kinds()[i]) & with_text) != 0) column.values()[i] += base << 32;
    }
  }

 private:
  static constexpr KindMask with_text = text_mask | invalid_mask;

  /// Of the rows of the table from `block` on that are in the result, in order.
  std::span<const Origin> find_origins(std::size_t block, std::size_t size) {
    std::fill_n(by_row_.begin(), size, Origin{});
    for (std::uint32_t s = 0; s < shares_.size(); ++s) {
      const std::vector<std::uint32_t>& rows = shares_[s].rows;
      std::size_t& next = next_[s];
      for (; next < rows.size() && rows[next] < block + size; ++next)
        by_row_[rows[next] - block] = {s, static_cast<std::uint32_t>(next)};
    }
    std::size_t count = 0;
    for (std::size_t i = 0; i < size; ++i) {
      origins_[count] = by_row_[i];
      count += by_row_[i].share != Origin{}.share ? 1 : 0;
    }
    return std::span(origins_).first(count);
  }

  void copy(std::size_t c, std::span<const Origin> origins, ColumnBuilder& column, std::size_t to) {
    kinds_.clear();
    values_.clear();
    KindMask mask = 0;
    for (const KeptRows& share : shares_) {
      kinds_.push_back(share.columns[c].kinds());
      values_.push_back(share.columns[c].values());
      mask = static_cast<KindMask>(mask | share.columns[c].mask());
    }
    Kind* const kinds = column.kinds() + to;
    std::uint64_t* const values = column.values() + to;
    for (std::size_t i = 0; i < origins.size(); ++i) {
      kinds[i] = kinds_[origins[i].share][origins[i].index];
      values[i] = values_[origins[i].share][origins[i].index];
    }
    if ((mask & with_text) == 0) return;
    for (std::size_t i = 0; i < origins.size(); ++i) {
      if ((mask_of(kinds[i]) & with_text) == 0) continue;
      const std::string_view text = shares_[origins[i].share].columns[c].text(origins[i].index);
      TIDERACE_CHECK(texts_[c].size() + text.size() <= UINT32_MAX);
      values[i] = static_cast<std::uint64_t>(texts_[c].size()) << 32 | text.size();
      texts_[c] += text;
    }
  }

  std::span<const KeptRows> shares_;
  std::size_t begin_;
  std::size_t end_;
  std::size_t at_ = 0;  ///< in the result
  std::size_t size_ = 0;
  std::vector<std::size_t> next_;  ///< by share
  std::vector<Origin> by_row_;
  std::vector<Origin> origins_;
  std::vector<const Kind*> kinds_;  ///< by share, of the column in hand
  std::vector<const std::uint64_t*> values_;
  std::vector<std::string> texts_;  ///< by column
};

}  // namespace

KeptRows merge(std::span<const KeptRows> shares, std::size_t table_rows) {
  std::size_t total = 0;
  for (const KeptRows& share : shares) total += share.rows.size();
  KeptRows merged;
  merged.rows.resize(total);
  std::vector<ColumnBuilder> columns;
  for (std::size_t c = 0; c < shares.front().columns.size(); ++c) {
    std::size_t size = 0;
    for (const KeptRows& share : shares) size += share.columns[c].size();
    TIDERACE_CHECK(size == total || size == 0);
    columns.emplace_back(size);
  }
  std::vector<Piece> pieces;
  for (std::size_t p = 0; p < shares.size(); ++p) {
    pieces.emplace_back(shares, table_rows * p / shares.size(), table_rows * (p + 1) / shares.size());
  }
  in_parallel(pieces.size(), [&](std::size_t p) { pieces[p].run(merged.rows, columns); });
  for (std::size_t c = 0; c < columns.size(); ++c) {
    for (const Piece& piece : pieces) piece.append_text(c, columns[c]);
    merged.columns.emplace_back(std::move(columns[c]));
  }
  return merged;
}

}  // namespace tiderace
