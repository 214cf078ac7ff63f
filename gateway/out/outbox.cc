#include "gateway/out/outbox.h"

#include <algorithm>
#include <set>
#include <string_view>
#include <tuple>
#include <utility>

namespace tiderace::gateway {
namespace {

constexpr std::size_t piece_bytes = 64;  // about what one takes beside its JSON

std::size_t bytes_of(const Piece& piece) noexcept {
  return piece.json.size() + piece_bytes;
}

}  // namespace

bool Outbox::push(PiecePtr piece) {
  const std::size_t more = bytes_of(*piece);
  // Not at every piece beyond the limit: as much has to come as was left.
  if (conflates_ &&
      bytes_ + more > std::min(std::max(limits_.conflate_bytes, 2 * conflated_bytes_), limits_.most_bytes))
    conflate();
  if (bytes_ + more > limits_.most_bytes && !waiting_.empty()) return false;
  bytes_ += more;
  waiting_.push_back(std::move(piece));
  return true;
}

void Outbox::conflate() {
  std::set<std::tuple<std::string_view, bool, std::string_view>> seen;
  std::deque<PiecePtr> kept;
  std::size_t bytes = 0;
  for (auto at = waiting_.rbegin(); at != waiting_.rend(); ++at) {
    const Piece& piece = **at;
    if (!seen.emplace(piece.topic, piece.has_key, piece.key).second) {
      ++left_out_;
      conflated_ = true;
      continue;
    }
    bytes += bytes_of(piece);
    kept.push_front(*at);
  }
  waiting_ = std::move(kept);  // `seen` looks into pieces of it
  bytes_ = bytes;
  conflated_bytes_ = bytes;
}

std::string Outbox::take_frame() {
  std::string frame = "{\"records\":[";
  Positions moved;
  bool first = true;
  while (!waiting_.empty() &&
         (first || frame.size() + waiting_.front()->json.size() <= limits_.frame_bytes)) {
    const PiecePtr piece = std::move(waiting_.front());
    waiting_.pop_front();
    bytes_ -= bytes_of(*piece);
    conflated_bytes_ = std::min(conflated_bytes_, bytes_);
    if (!std::exchange(first, false)) frame += ',';
    frame += piece->json;
    moved[{piece->topic, piece->partition}] = piece->offset + 1;
  }
  for (const auto& [partition, offset] : moved) position_[partition] = offset;
  frame += "],\"position\":\"" + to_string(moved) + '"';
  if (std::exchange(conflated_, false)) frame += ",\"conflated\":true";
  frame += '}';
  return frame;
}

}  // namespace tiderace::gateway
