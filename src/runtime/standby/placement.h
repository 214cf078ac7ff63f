#pragma once

#include <set>
#include <string>
#include <vector>

#include "log/log.h"

namespace tiderace {

/// The partitions of which `process` keeps a copy of the state, so that each has one in `copies` processes
/// beside its owner's.
///
/// The first copy is where the group would give the partition if its owner's process died: the members that
/// are left take its partitions one after the other, each time the one that has fewest, which is how the
/// cooperative-sticky assignor of librdkafka balances. All processes come to the same result from the same
/// members.
[[nodiscard]] std::set<TopicPartition> standby_partitions(const std::string& process,
                                                          const std::vector<GroupMember>& members,
                                                          int copies);

}  // namespace tiderace
