#include "log/bounded_follower.h"

#include <algorithm>

namespace tiderace {

// An open transaction is decided without a record coming.
constexpr std::chrono::milliseconds between_looks{50};

BoundedFollower::BoundedFollower(Log& log, const std::map<TopicPartition, std::int64_t>& from, bool until_end)
    : log_(log), follower_(log.follower()) {
  for (const auto& [partition, offset] : from) {
    Position& position = positions_[partition];
    position.next = offset;
    if (!until_end) continue;
    position.end = log.written_offset(partition);
    position.decided = log.offsets(partition).second >= *position.end;
  }
  follower_->follow(from);
}

std::vector<BoundedFollower::Run> BoundedFollower::poll(std::chrono::milliseconds timeout) {
  std::vector<Run> runs;
  for (auto& records : follower_->poll(std::min(timeout, between_looks))) {
    Position& position = positions_.at({records->topic, records->partition});
    const auto beyond = [&](const Record& row) { return position.end && row.offset >= *position.end; };
    const auto first_beyond = std::ranges::find_if(records->rows, beyond);
    position.next = position.end ? std::min(records->next_offset, *position.end) : records->next_offset;
    if (first_beyond == records->rows.begin()) continue;
    runs.push_back({records, {records->rows.begin(), first_beyond}});
  }
  if (runs.empty()) look_for_ends();
  return runs;
}

bool BoundedFollower::at_end() const {
  return std::ranges::all_of(positions_, [](const auto& entry) { return entry.second.at_end(); });
}

std::map<TopicPartition, std::int64_t> BoundedFollower::positions() const {
  std::map<TopicPartition, std::int64_t> next;
  for (const auto& [partition, position] : positions_) next[partition] = position.next;
  return next;
}

/// What is left out at the end of a partition (compacted away, marks of transactions) brings no record.
void BoundedFollower::look_for_ends() {
  for (auto& [partition, position] : positions_) {
    if (!position.end) position.next = std::max(position.next, follower_->position(partition).value_or(0));
    if (!position.end || position.at_end()) continue;
    if (!position.decided) position.decided = log_.offsets(partition).second >= *position.end;
    if (position.decided && follower_->lag(partition) == 0) position.next = *position.end;
  }
}

}  // namespace tiderace
