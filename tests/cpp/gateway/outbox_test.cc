#include "gateway/out/outbox.h"

#include <gtest/gtest.h>

#include "gateway/out/subscription.h"

namespace tiderace::gateway {
namespace {

PiecePtr piece(std::int64_t offset, const std::string& key, std::size_t bytes = 10) {
  auto made = std::make_shared<Piece>();
  made->topic = "t";
  made->offset = offset;
  made->has_key = true;
  made->key = key;
  made->json = std::to_string(offset) + std::string(bytes, ' ');
  return made;
}

TEST(GatewayOutbox, FramesHoldWhatFitsAndSayWhereToGoOn) {
  Outbox outbox(false, {.frame_bytes = 60});
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(outbox.push(piece(i, "k", 19)));
  EXPECT_EQ(outbox.take_frame().substr(0, 13), "{\"records\":[0");
  outbox.set_position({{{"t", 1}, 7}});
  std::string last;
  while (!outbox.empty()) last = outbox.take_frame();
  EXPECT_NE(last.find("\"position\":\"t:0:5\"}"), std::string::npos);
  EXPECT_EQ(to_string(outbox.position()), "t:0:5,t:1:7");
  EXPECT_EQ(outbox.bytes(), 0u);
}

TEST(GatewayOutbox, ARecordLargerThanAFrameHasOneOfItsOwn) {
  Outbox outbox(false, {.frame_bytes = 10});
  EXPECT_TRUE(outbox.push(piece(0, "k", 100)));
  EXPECT_TRUE(outbox.push(piece(1, "k", 100)));
  EXPECT_NE(outbox.take_frame().find("t:0:1\""), std::string::npos);
  EXPECT_FALSE(outbox.empty());
}

TEST(GatewayOutbox, AReaderHasHalfAMegabyteBeforeItIsConflatedAndTwoInAll) {
  Outbox conflating(true, {});
  Outbox whole(false, {});
  const auto kilobyte = [](std::int64_t offset) { return piece(offset, "k", 1000); };
  std::int64_t offset = 0;
  while (conflating.left_out() == 0) {
    ASSERT_LE(conflating.bytes(), 512'000u);
    ASSERT_TRUE(conflating.push(kilobyte(offset++)));
  }
  EXPECT_GT(offset * 1100, 512'000) << "not far below what the guide says";
  offset = 0;
  while (whole.push(kilobyte(offset))) ++offset;
  EXPECT_GT(whole.bytes(), 1'998'000u);
  EXPECT_LE(whole.bytes(), 2'000'000u);
  EXPECT_EQ(whole.left_out(), 0u);
}

TEST(GatewayOutbox, TakesNoMoreThanMayWait) {
  Outbox outbox(false, {.conflate_bytes = 100, .most_bytes = 1000});
  std::int64_t offset = 0;
  while (outbox.push(piece(offset, "k"))) ++offset;
  EXPECT_LE(outbox.bytes(), 1000u);
  EXPECT_EQ(outbox.left_out(), 0u);
  while (!outbox.empty()) static_cast<void>(outbox.take_frame());
  EXPECT_EQ(to_string(outbox.position()), "t:0:" + std::to_string(offset));
  EXPECT_TRUE(outbox.push(piece(offset, "k")));
}

TEST(GatewayOutbox, ConflatedItKeepsTheNewestOfEachKey) {
  Outbox outbox(true, {.conflate_bytes = 1000, .most_bytes = 100'000});
  for (int i = 0; i < 10'000; ++i) ASSERT_TRUE(outbox.push(piece(i, std::to_string(i % 3))));
  EXPECT_LT(outbox.bytes(), 2000u);
  const std::string frame = outbox.take_frame();
  EXPECT_NE(frame.find("\"conflated\":true}"), std::string::npos);
  EXPECT_TRUE(outbox.empty());
  EXPECT_EQ(to_string(outbox.position()), "t:0:10000");
  ASSERT_TRUE(outbox.push(piece(10'000, "x")));
  EXPECT_EQ(outbox.take_frame().find("conflated"), std::string::npos);
}

TEST(GatewayOutbox, ConflatesAsLongAsTheNewestHaveRoom) {
  Outbox outbox(true, {.conflate_bytes = 1000, .most_bytes = 10'000});
  // The newest of all keys come to more than half of what may wait.
  for (int i = 0; i < 10'000; ++i) ASSERT_TRUE(outbox.push(piece(i, std::to_string(i % 80), 20))) << i;
  while (!outbox.empty()) static_cast<void>(outbox.take_frame());
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(outbox.push(piece(i, "k", 20)));
  EXPECT_LT(outbox.bytes(), 2500u) << "what was conflated long ago does not count";
}

TEST(GatewayOutbox, TakesOneRecordOverItsLimit) {
  Outbox outbox(false, {.most_bytes = 1000});
  EXPECT_TRUE(outbox.push(piece(0, "k", 3000)));
  EXPECT_FALSE(outbox.push(piece(1, "k", 10)));
}

TEST(GatewaySubscription, IsOverWhereNothingIsTakenForHalfAMinute) {
  int woken = 0;
  Subscription subscription({.topics = {"t"}}, {}, [&] { ++woken; });
  const auto begin = std::chrono::steady_clock::now();
  subscription.check(begin + std::chrono::hours(1));
  EXPECT_FALSE(subscription.too_slow()) << "nothing waits";
  subscription.begin({{{"t", 0}, 0}});
  EXPECT_TRUE(subscription.take().begins);
  EXPECT_TRUE(subscription.deliver(piece(0, "k")));
  EXPECT_TRUE(subscription.take().frame);
  subscription.check(begin + std::chrono::seconds(20));
  EXPECT_FALSE(subscription.too_slow());
  subscription.check(std::chrono::steady_clock::now() + std::chrono::seconds(29));
  EXPECT_FALSE(subscription.too_slow());
  // The frame is on its way, and nothing new comes that would find out.
  subscription.check(std::chrono::steady_clock::now() + std::chrono::seconds(31));
  EXPECT_TRUE(subscription.too_slow());
  EXPECT_EQ(woken, 2);
  EXPECT_TRUE(subscription.take().too_slow);
}

TEST(GatewaySubscription, IsToldOfItsBeginningAlsoWhereItWasBroughtUpToDateBefore) {
  Subscription subscription({.topics = {"t"}}, {}, [] {});
  subscription.begin({{{"t", 0}, 0}});
  EXPECT_TRUE(subscription.deliver(piece(0, "k")));
  subscription.join({{{"t", 0}, 1}});
  EXPECT_EQ(to_string(subscription.take().begins.value_or(Positions())), "t:0:0");
  EXPECT_TRUE(subscription.take().frame);
}

TEST(GatewayOutbox, ConflationHasABound) {
  Outbox outbox(true, {.conflate_bytes = 1000, .most_bytes = 10'000});
  bool taken = true;
  for (int i = 0; i < 1'000; ++i) taken = outbox.push(piece(i, std::to_string(i)));
  EXPECT_FALSE(taken);
}

TEST(GatewaySubscription, IsOverSoonerWhereItHasNoRoomEither) {
  using namespace std::chrono_literals;
  Subscription reader({.topics = {"t"}}, {.most_bytes = 100}, [] {});
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_TRUE(reader.deliver(piece(0, "k", 200)));  // one alone may always wait
  EXPECT_FALSE(reader.deliver(piece(1, "k")));
  reader.check(begin + 4s);
  EXPECT_FALSE(reader.too_slow());
  EXPECT_TRUE(reader.take().frame.has_value());
  reader.check(std::chrono::steady_clock::now() + 29s);  // it has room again
  EXPECT_FALSE(reader.too_slow());
  EXPECT_TRUE(reader.deliver(piece(1, "k", 200)));
  EXPECT_FALSE(reader.deliver(piece(2, "k")));
  reader.check(std::chrono::steady_clock::now() + 6s);
  EXPECT_TRUE(reader.take().too_slow);
}

}  // namespace
}  // namespace tiderace::gateway
