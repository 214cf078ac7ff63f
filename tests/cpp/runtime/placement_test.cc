// Who keeps copies of whose state.

#include "runtime/standby/placement.h"

#include <gtest/gtest.h>

namespace tiderace {
namespace {

GroupMember member(const std::string& id, const std::string& process, const std::vector<int>& partitions) {
  GroupMember result;
  result.id = id;
  result.process = process;
  for (const int partition : partitions) result.partitions.push_back({"in", partition});
  return result;
}

std::string kept(const std::string& process, const std::vector<GroupMember>& members, int copies = 1) {
  std::string text;
  for (const TopicPartition& partition : standby_partitions(process, members, copies))
    text += std::to_string(partition.partition);
  return text;
}

TEST(StandbyPartitions, OfTwoProcessesAreThoseOfTheOther) {
  const std::vector<GroupMember> members = {member("a", "one", {0, 2}), member("b", "two", {1, 3})};
  EXPECT_EQ(kept("one", members), "13");
  EXPECT_EQ(kept("two", members), "02");
}

TEST(StandbyPartitions, GoWhereTheGroupWouldGiveThem) {
  const std::vector<GroupMember> members = {member("a", "one", {0, 1}), member("b", "two", {2, 3}),
                                            member("c", "three", {4})};
  // Of one's two partitions the first goes to three, which has fewest; then two comes first by its id.
  EXPECT_EQ(kept("three", members), "02");
  EXPECT_EQ(kept("two", members), "1");
  EXPECT_EQ(kept("one", members), "34");
}

TEST(StandbyPartitions, NeverLieInTheProcessOfTheirOwner) {
  const std::vector<GroupMember> members = {member("a", "one", {0}), member("b", "one", {1}),
                                            member("c", "two", {2})};
  EXPECT_EQ(kept("one", members), "2");
  EXPECT_EQ(kept("two", members), "01");
  EXPECT_EQ(kept("one", {member("a", "one", {0, 1})}), "");
}

TEST(StandbyPartitions, AreInAsManyProcessesAsWanted) {
  const std::vector<GroupMember> members = {member("a", "one", {0}), member("b", "two", {1}),
                                            member("c", "three", {2})};
  EXPECT_EQ(kept("one", members, 2), "12");
  EXPECT_EQ(kept("two", members, 2), "02");
  EXPECT_EQ(kept("three", members, 5), "01");
  EXPECT_EQ(kept("one", members, 0), "");
}

}  // namespace
}  // namespace tiderace
