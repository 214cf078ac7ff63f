#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <unordered_map>

#include "gateway/target.h"

namespace tiderace::gateway {

/// A record on its way to readers, as JSON that all of them share.
struct Piece {
  std::string topic;
  std::int32_t partition = 0;
  std::int64_t offset = 0;
  bool has_key = false;
  std::string key;  ///< bytes
  std::string json;
};
using PiecePtr = std::shared_ptr<const Piece>;

/// What waits for one reader. Not for several threads.
class Outbox {
 public:
  struct Limits {
    std::size_t conflate_bytes = 512'000;
    std::size_t most_bytes = 2'000'000;
    std::size_t frame_bytes = 64'000;  ///< about
  };

  Outbox(bool conflates, const Limits& limits) : conflates_(conflates), limits_(limits) {}

  /// False if more would wait than may: then it is not taken. One record alone may always wait.
  [[nodiscard]] bool push(PiecePtr piece);
  [[nodiscard]] bool empty() const noexcept { return waiting_.empty(); }
  [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }
  /// The next frame: `{"records":[...],"position":"alerts:0:18"}`, with `"conflated":true` where records are
  /// left out before or in it.
  [[nodiscard]] std::string take_frame();
  /// Where a reader goes on that has had every frame.
  [[nodiscard]] const Positions& position() const noexcept { return position_; }
  void set_position(const Positions& position) { position_ = position; }
  /// How many records were left out since the beginning.
  [[nodiscard]] std::uint64_t left_out() const noexcept { return left_out_; }

 private:
  /// Leaves the newest record of each topic and key.
  void conflate();

  const bool conflates_;
  const Limits limits_;
  std::deque<PiecePtr> waiting_;
  std::size_t bytes_ = 0;
  std::size_t conflated_bytes_ = 0;  ///< when it was last made small
  bool conflated_ = false;           ///< since the last frame
  std::uint64_t left_out_ = 0;
  Positions position_;
};

}  // namespace tiderace::gateway
