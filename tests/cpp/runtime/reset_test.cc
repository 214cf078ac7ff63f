#include "runtime/reset/reset.h"

#include <gtest/gtest.h>

#include "runtime/test_service.h"

namespace tiderace {
namespace {

using Strings = std::vector<std::string>;

constexpr const char* stateless = R"(sdf = app.dataframe(app.topic("in"))
sdf.to_topic(app.topic("out"))
)";
constexpr const char* stateful = R"(sdf = app.dataframe(app.topic("in"))
sdf["n"] = sdf["x"].rolling(100, min_periods=1).count()
sdf.to_topic(app.topic("out"))
)";

std::string row(int x) {
  return "{\"x\":" + std::to_string(x) + "}";
}
std::string counted(int x, int n) {
  return "{\"x\":" + std::to_string(x) + ",\"n\":" + std::to_string(n) + "}";
}

/// A service that has worked off three rows, of times 1000, 2000 and 3000.
class Reset : public testing::Test {
 protected:
  static TestService worked_off(const char* plan) {
    TestService service(plan);
    for (int i = 1; i <= 3; ++i) service.produce("in", "k", row(i), 1000 * i);
    service.run();
    return service;
  }
  static ResetPlan plan(TestService& service, const ResetTarget& target,
                        std::optional<std::int32_t> partition = std::nullopt) {
    return plan_reset(*service.context.log, "group", "in", partition, target);
  }
  static std::string message_of(const std::function<void()>& call) {
    try {
      call();
    } catch (const Error& error) {
      return std::string(to_string(error.kind())) + ": " + error.what();
    }
    return "no error";
  }
};

TEST_F(Reset, APlanSaysWhatWouldMoveAndMovesNothing) {
  TestService service = worked_off(stateless);
  const ResetPlan to_earliest = plan(service, ResetToEarliest{});
  ASSERT_EQ(to_earliest.moves.size(), 1u);
  EXPECT_EQ(to_earliest.moves[0].from, 3);
  EXPECT_EQ(to_earliest.moves[0].to, 0);
  EXPECT_EQ(to_earliest.moves[0].end_offset, 3);
  EXPECT_FALSE(to_earliest.stateful);
  EXPECT_EQ(plan(service, ResetToLatest{}).moves[0].to, 3);
  EXPECT_EQ(plan(service, ResetToTime{1500}).moves[0].to, 1);
  EXPECT_EQ(plan(service, ResetToTime{3001}).moves[0].to, 3);
  EXPECT_EQ(plan(service, ResetToOffset{2}).moves[0].to, 2);
  EXPECT_EQ(service.committed("in"), 3);
}

TEST_F(Reset, WithoutStateTheRowsFromThereOnComeAgain) {
  TestService service = worked_off(stateless);
  reset_group(*service.context.log, plan(service, ResetToOffset{1}), std::nullopt);
  EXPECT_EQ(service.committed("in"), 1);
  service.run();
  EXPECT_EQ(service.values("out"), (Strings{row(1), row(2), row(3), row(2), row(3)}));
}

TEST_F(Reset, AGroupThatHasReadNothingYetGetsAPlaceToBegin) {
  TestService service(stateful);
  for (int i = 1; i <= 3; ++i) service.produce("in", "k", row(i), 1000 * i);
  const ResetPlan to_last = plan(service, ResetToOffset{2});
  EXPECT_EQ(to_last.moves[0].from, std::nullopt);
  reset_group(*service.context.log, to_last, std::nullopt);
  service.run();
  EXPECT_EQ(service.values("out"), (Strings{counted(3, 1)}));
}

TEST_F(Reset, OnePartitionCanBeMovedAlone) {
  TestService service(stateless);
  service.create_topic("in", 3);
  for (int p = 0; p < 3; ++p) service.produce("in", "k", row(p), 1000, {}, p);
  service.run();
  const ResetPlan one = plan(service, ResetToEarliest{}, 1);
  ASSERT_EQ(one.moves.size(), 1u);
  reset_group(*service.context.log, one, std::nullopt);
  EXPECT_EQ(service.committed("in", 0), 1);
  EXPECT_EQ(service.committed("in", 1), 0);
  EXPECT_EQ(service.committed("in", 2), 1);
}

TEST_F(Reset, StateWantsToBeAskedFor) {
  TestService service = worked_off(stateful);
  const ResetPlan to_earliest = plan(service, ResetToEarliest{});
  EXPECT_TRUE(to_earliest.stateful);
  EXPECT_EQ(message_of([&] { reset_group(*service.context.log, to_earliest, std::nullopt); }),
            "config: group group keeps state of in (changelog group-in-changelog), which belongs to the "
            "present offsets; say whether it begins anew or is kept as it is");
  EXPECT_EQ(service.committed("in"), 3);
}

TEST_F(Reset, StateThatBeginsAnewHasSeenNothing) {
  TestService service = worked_off(stateful);
  reset_group(*service.context.log, plan(service, ResetToEarliest{}), ResetState::anew);
  service.run();  // its local state is that of before
  EXPECT_EQ(service.values("out"), (Strings{counted(1, 1), counted(2, 2), counted(3, 3), counted(1, 1),
                                            counted(2, 2), counted(3, 3)}));
}

TEST_F(Reset, StateThatBeginsAnewDoesSoWhereItIsRestored) {
  TestService service = worked_off(stateful);
  reset_group(*service.context.log, plan(service, ResetToOffset{1}), ResetState::anew);
  service.context.stores = memory_state_stores();
  service.run();
  service.produce("in", "k", row(4), 4000);
  service.context.stores = memory_state_stores();
  service.run();
  EXPECT_EQ(service.values("out"), (Strings{counted(1, 1), counted(2, 2), counted(3, 3), counted(2, 1),
                                            counted(3, 2), counted(4, 3)}));
}

TEST_F(Reset, StateThatIsKeptGoesOnElsewhere) {
  TestService service = worked_off(stateful);
  service.produce("in", "k", row(4), 4000);
  service.produce("in", "k", row(5), 5000);
  reset_group(*service.context.log, plan(service, ResetToOffset{4}), ResetState::keep);
  service.run();
  EXPECT_EQ(service.values("out"), (Strings{counted(1, 1), counted(2, 2), counted(3, 3), counted(5, 4)}));
}

TEST_F(Reset, AGroupWithMembersIsLeftAlone) {
  TestService service = worked_off(stateless);
  const ResetPlan to_earliest = plan(service, ResetToEarliest{});
  const auto consumer = service.context.log->consumer({.group = "group"});
  consumer->subscribe({"in"});
  EXPECT_EQ(message_of([&] { reset_group(*service.context.log, to_earliest, std::nullopt); }),
            "config: group group has members (a consumer of this process), which would commit over what is "
            "set; stop them first");
  EXPECT_EQ(service.committed("in"), 3);
}

TEST_F(Reset, WhatIsNotThereIsRefused) {
  TestService service = worked_off(stateless);
  EXPECT_EQ(
      message_of([&] { static_cast<void>(plan(service, ResetToOffset{4})); }),
      "config: in partition 0 has the offsets 0 to 3, wanted 4; name one of them, or another partition");
  EXPECT_EQ(message_of([&] { static_cast<void>(plan(service, ResetToLatest{}, 1)); }),
            "config: there is no partition 1 in topic \"in\"; it has 1");
  EXPECT_EQ(message_of([&] {
              static_cast<void>(plan_reset(*service.context.log, "group", "none", {}, ResetToLatest{}));
            }),
            "config: there is no topic \"none\"");
}

}  // namespace
}  // namespace tiderace
