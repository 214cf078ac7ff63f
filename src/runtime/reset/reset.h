#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "log/log.h"

namespace tiderace {

struct ResetToEarliest {};
struct ResetToLatest {};
struct ResetToTime {
  std::int64_t timestamp_ms = 0;  ///< the first record that is not older
};
struct ResetToOffset {
  std::int64_t offset = 0;
};
using ResetTarget = std::variant<ResetToEarliest, ResetToLatest, ResetToTime, ResetToOffset>;

/// What becomes of the state of steps, which knows the offset that it belongs to.
enum class ResetState {
  anew,  ///< emptied: the rows from the new offset on are the first it sees
  keep,  ///< left: rows that are passed over are missing in it, rows that come again enter it twice
};

/// Where a group reads on in one partition, now and after a reset.
struct ResetMove {
  TopicPartition partition;
  std::optional<std::int64_t> from;  ///< nullopt: the group has no offset of it
  std::int64_t to = 0;
  std::int64_t end_offset = 0;
};

struct ResetPlan {
  std::string group;
  std::string topic;
  std::vector<ResetMove> moves;
  bool stateful = false;  ///< the group keeps state of the topic: it has a changelog
};

/// What a reset would do; changes nothing. `partition`: of it alone. Throws Error{config} for a topic or
/// partition that is not there, and for an offset that a partition does not have.
[[nodiscard]] ResetPlan plan_reset(Log& log, const std::string& group, const std::string& topic,
                                   std::optional<std::int32_t> partition, const ResetTarget& target);

/// The members of `group` as a refusal names them; empty if there are none.
[[nodiscard]] std::string members_in_the_way(Log& log, const std::string& group);

/// Moves the offsets of `plan`, and what becomes of state with them, in one transaction: for that time it is
/// the group's only member. The change of state is written to the changelog like any other, so local state
/// follows wherever it is, at its next start.
///
/// Throws Error{config} while the group has members, or where `plan` is stateful and `state` says nothing;
/// Error{broker} if somebody else joins meanwhile. Nothing has changed then.
void reset_group(Log& log, const ResetPlan& plan, std::optional<ResetState> state);

}  // namespace tiderace
