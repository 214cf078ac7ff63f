#include "runtime/standby/placement.h"

#include <algorithm>
#include <map>

namespace tiderace {
namespace {

struct Survivor {
  std::size_t partitions;
  std::string id;
  std::string process;
  auto operator<=>(const Survivor&) const = default;  // the next partition goes to the least
};

}  // namespace

std::set<TopicPartition> standby_partitions(const std::string& process,
                                            const std::vector<GroupMember>& members, int copies) {
  std::map<std::string, std::set<TopicPartition>> owned;  // by process
  for (const GroupMember& member : members)
    owned[member.process].insert(member.partitions.begin(), member.partitions.end());
  std::set<TopicPartition> kept;
  for (const auto& [owner, partitions] : owned) {
    if (owner == process) continue;
    std::vector<Survivor> survivors;
    for (const GroupMember& member : members) {
      if (member.process != owner) survivors.push_back({member.partitions.size(), member.id, member.process});
    }
    for (const TopicPartition& partition : partitions) {
      std::sort(survivors.begin(), survivors.end());
      std::set<std::string> holders;
      for (const Survivor& survivor : survivors) {
        if (static_cast<int>(holders.size()) < copies) holders.insert(survivor.process);
      }
      if (holders.contains(process)) kept.insert(partition);
      if (!survivors.empty()) ++survivors.front().partitions;
    }
  }
  return kept;
}

}  // namespace tiderace
