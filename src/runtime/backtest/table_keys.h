#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "runtime/backtest/backtest.h"
#include "state/key_table.h"

namespace tiderace {

/// The key of a table's row as text; nullopt for what is no key.
[[nodiscard]] std::optional<std::string> key_text(const Column& keys, std::size_t row);

/// The keys of a table's rows as numbers, and which of several threads, its *share*, each row goes to: all
/// rows of a key go to one. Made by as many threads, each of which reads a piece of the table, so that the
/// number of a key is one of its piece. Then any thread may ask it.
class TableKeys {
 public:
  /// Where the plan needs no keys (`needed`), or there are none, shares are equal parts of what is asked for.
  TableKeys(const BacktestInput& input, bool needed, std::size_t threads);

  [[nodiscard]] std::size_t shares() const noexcept { return pieces_.size(); }
  [[nodiscard]] bool known() const noexcept { return known_; }

  /// The rows of [begin, begin + size) that `share` takes, counted from `begin`.
  [[nodiscard]] std::vector<std::uint32_t> rows_of(std::size_t share, std::size_t begin,
                                                   std::size_t size) const;
  /// Forgets what `look_up` has learnt: there are new tasks.
  void begin_pass();
  /// The keys of `rows`, counted from `begin` and all of one share, as those of its task, whose table is
  /// `table`. `ids` of rows that have none are left alone. Each share from one thread.
  void look_up(std::size_t begin, std::span<const std::uint32_t> rows, KeyTable& table, std::span<KeyId> ids);
  /// Whether what stands for a key in `row` is neither a key nor null.
  [[nodiscard]] bool unusable(std::size_t row) const noexcept { return numbers_[row] == bad_key; }

 private:
  static constexpr KeyId bad_key = no_key - 1;

  struct Piece {
    KeyTable table;
    std::vector<std::uint8_t> shares;  ///< by number
    std::vector<KeyId> ids;            ///< by number: the key of its share's task; no_key: not asked for yet
  };
  void read(const BacktestInput& input, std::size_t piece, std::atomic<bool>& ended);
  /// Calls `each(piece, begin, end)` for the parts of [begin, end) that lie in one piece.
  template <class Each>
  void by_piece(std::size_t begin, std::size_t end, const Each& each) const {
    while (begin < end) {
      const std::size_t piece = begin / piece_rows_;
      const std::size_t last = std::min(end, (piece + 1) * piece_rows_);
      each(piece, begin, last);
      begin = last;
    }
  }

  bool known_;
  std::size_t piece_rows_;
  std::vector<Piece> pieces_;
  Buffer<KeyId> numbers_;  ///< by row; no_key and bad_key are none
};

}  // namespace tiderace
