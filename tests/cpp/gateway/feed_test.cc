#include "gateway/out/feed.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <tiderace/tiderace.h>

#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "temporary_directory.h"

namespace tiderace::gateway {
namespace {

/// Asks until it holds.
void eventually(const std::function<bool()>& holds) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (!holds()) {
    ASSERT_LT(std::chrono::steady_clock::now(), deadline);
    std::this_thread::yield();
  }
}

/// One reader of the topic `t`, and what it was given.
class Client {
 public:
  Client(Feed& feed, ReadRequest request)
      : feed_(feed),
        subscription_(std::make_shared<Subscription>(std::move(request), Outbox::Limits{}, [] {})) {
    feed_.subscribe(subscription_);
  }
  ~Client() { feed_.unsubscribe(subscription_); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  /// Where it begins.
  std::string begins() {
    std::optional<Positions> found;
    eventually([&] { return (found = subscription_->take().begins).has_value(); });
    return to_string(*found);
  }
  /// Offset and value of each of `count` records.
  std::string records(int count) {
    std::string found;
    eventually([&] {
      const auto frame = subscription_->take().frame.value_or("");
      for (std::size_t at = 0; (at = frame.find("\"offset\":", at)) != std::string::npos; --count) {
        at += 9;
        const std::size_t value = frame.find("\"value\":", at) + 8;
        found += frame.substr(at, frame.find(',', at) - at) + "=" +
                 frame.substr(value, frame.find('}', value) - value) + " ";
      }
      return count <= 0;
    });
    return found;
  }
  [[nodiscard]] std::size_t waiting_bytes() const { return subscription_->waiting_bytes(); }
  [[nodiscard]] std::string position() const { return to_string(subscription_->position()); }

 private:
  Feed& feed_;
  std::shared_ptr<Subscription> subscription_;
};

class GatewayFeed : public testing::Test {
 protected:
  GatewayFeed() {
    config_.topics["t"] = {};
    app_.topic("t");
    app_.create_topics();
  }

  /// One transaction a value, so that somebody who follows would have seen them come.
  void write(int from, int count) {
    auto producer = app_.get_producer();
    for (int x = from; x < from + count; ++x) {
      producer.produce({.topic = "t", .key = "k", .value = std::to_string(x), .timestamp = 7});
      producer.flush();
    }
  }

  TemporaryDirectory directory_;
  Application app_{{.broker_address = "embedded:" + directory_.path(), .consumer_group = "test"}};
  Config config_;
  /// It looks all the time, and has forgotten at the second look that finds nobody.
  FeedTimes times_{.between_looks = std::chrono::nanoseconds(0), .looks_until_forgotten = 2};
};

TEST_F(GatewayFeed, NothingIsReadWhileNobodyReads) {
  Feed feed(app_, config_, times_);
  write(0, 20);
  EXPECT_FALSE(feed.counters().following);
  {
    Client client(feed, {.topics = {"t"}});
    EXPECT_EQ(client.begins(), "t:0:20");
    EXPECT_TRUE(feed.counters().following);
    write(20, 1);
    EXPECT_EQ(client.records(1), "20=20 ");
  }
  eventually([&] { return !feed.counters().following; });
  write(21, 50);
  EXPECT_FALSE(feed.counters().following);
  EXPECT_EQ(feed.counters().records, 1u);
}

TEST_F(GatewayFeed, WhoComesAfterItHasForgottenGetsEachRecordOnce) {
  Feed feed(app_, config_, times_);
  std::string position;
  {
    Client client(feed, {.topics = {"t"}});
    EXPECT_EQ(client.begins(), "t:0:0");
    write(0, 3);
    EXPECT_EQ(client.records(3), "0=0 1=1 2=2 ");
    position = client.position();
  }
  EXPECT_EQ(position, "t:0:3");
  eventually([&] { return !feed.counters().following; });
  write(3, 3);
  Client latest(feed, {.topics = {"t"}});
  EXPECT_EQ(latest.begins(), "t:0:6");
  Client back(feed, {.topics = {"t"}, .from = ReadRequest::From::positions, .positions = {{{"t", 0}, 3}}});
  EXPECT_EQ(back.begins(), position);
  EXPECT_EQ(back.records(3), "3=3 4=4 5=5 ");
  write(6, 2);
  EXPECT_EQ(back.records(2), "6=6 7=7 ");
  EXPECT_EQ(latest.records(2), "6=6 7=7 ");
  EXPECT_EQ(back.position(), "t:0:8");
}

TEST_F(GatewayFeed, WhoTakesNothingKeepsNoMoreThanMayWaitAndGoesOnWhereItWas) {
  Feed feed(app_, config_, times_);
  Client all(feed, {.topics = {"t"}});
  Client keyed(feed, {.topics = {"t"}, .keys = {"k"}});
  EXPECT_EQ(all.begins(), "t:0:0");
  EXPECT_EQ(keyed.begins(), "t:0:0");
  constexpr int count = 100;
  auto producer = app_.get_producer();
  for (int x = 0; x < count; ++x)
    producer.produce({.topic = "t",
                      .key = "k",
                      .value = "1",
                      .timestamp = 7,
                      .headers = {{"a", std::string(50'000, 'a')}}});
  producer.flush();  // all of them at once
  eventually([&] { return feed.counters().catching_up == 2; });
  EXPECT_LE(all.waiting_bytes(), 2'000'000u);
  std::string expected;
  for (int x = 0; x < count; ++x) expected += fmt::format("{}=1 ", x);
  EXPECT_EQ(all.records(count), expected);
  EXPECT_EQ(keyed.records(count), expected);
  eventually([&] { return feed.counters().catching_up == 0; });
  write(count, 1);
  EXPECT_EQ(all.records(1), "100=100 ");
  EXPECT_EQ(all.position(), "t:0:101");
}

TEST_F(GatewayFeed, ReadersThatComeAndGoAreAllServed) {
  Feed feed(app_, config_, times_);
  for (int x = 0; x < 30; ++x) {
    write(x, 1);
    Client client(feed,
                  {.topics = {"t"}, .from = ReadRequest::From::positions, .positions = {{{"t", 0}, x}}});
    EXPECT_EQ(client.begins(), "t:0:" + std::to_string(x));
    EXPECT_EQ(client.records(1), fmt::format("{0}={0} ", x));
    if (x % 2 == 0) continue;  // the next one may come while it forgets
    eventually([&] { return feed.counters().catching_up == 0; });
  }
}

}  // namespace
}  // namespace tiderace::gateway
