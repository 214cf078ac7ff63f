#include "gateway/in/sequences.h"

#include <gtest/gtest.h>
#include <tiderace/reader.h>

namespace tiderace::gateway {
namespace {

using Progress = Sequences::Progress;

void apply(Sequences& sequences, const std::string& key, const std::optional<std::string>& value) {
  TopicRecord record;
  record.key = key;
  record.value = value;
  record.timestamp = 7;
  sequences.apply(record);
}

TEST(GatewaySequences, ComeBackAsTheyWere) {
  Progress refusing{.sequence = 42};
  for (const std::uint64_t number : {5, 40, 41}) refusing.refuse(number);
  EXPECT_EQ(Sequences::value_of(refusing), R"({"sequence":42,"refused":[[5,5],[40,41]]})");
  EXPECT_TRUE(refusing.has_refused(41));
  EXPECT_FALSE(refusing.has_refused(6));
  Sequences sequences;
  apply(sequences, "w/a/s", Sequences::value_of(refusing));
  apply(sequences, "w/a/t", Sequences::value_of(Progress{.sequence = 1}));
  apply(sequences, "r/a/s", Sequences::value_of_position("alerts:0:17"));
  apply(sequences, "batch", Sequences::value_of_attempt("00ff-3"));
  EXPECT_EQ(sequences.progress("w/a/s"), refusing);
  EXPECT_EQ(sequences.progress("w/a/t"), Progress{.sequence = 1});
  EXPECT_EQ(sequences.position("r/a/s"), "alerts:0:17");
  EXPECT_EQ(sequences.attempt(), "00ff-3");
  EXPECT_EQ(sequences.size(), 3u);
  EXPECT_EQ(sequences.sessions_like("w/a/new"), 2u);
  apply(sequences, "w/a/s", std::nullopt);
  EXPECT_EQ(sequences.progress("w/a/s"), Progress());
  EXPECT_EQ(sequences.sessions_like("w/a/new"), 1u);
  EXPECT_EQ(sequences.forget(8, 10).size(), 2u);
  EXPECT_EQ(sequences.sessions_like("w/a/new"), 0u);
}

TEST(GatewaySequences, WhoIsHeardOfIsNotForgottenAndStoredAnewAfterAWhile) {
  Sequences sequences;
  sequences.set_position("r/a/s", "alerts:0:17", 100);
  sequences.set_progress("w/a/s", Progress{.sequence = 3}, 100);
  EXPECT_FALSE(sequences.hear("r/a/s", 140, 90)) << "what is stored is not old";
  EXPECT_FALSE(sequences.hear("r/a/new", 140, 90));
  EXPECT_FALSE(sequences.knows("r/a/new"));
  EXPECT_EQ(sequences.forget(120, 10), std::vector<std::string>{"w/a/s"});
  EXPECT_EQ(sequences.hear("r/a/s", 160, 110), Sequences::value_of_position("alerts:0:17"));
  sequences.set_stored("r/a/s", 160);
  EXPECT_FALSE(sequences.hear("r/a/s", 170, 120));
  sequences.set_progress("w/a/s", Progress{.sequence = 3}, 100);
  EXPECT_EQ(sequences.hear("w/a/s", 160, 110), Sequences::value_of(Progress{.sequence = 3}));
}

TEST(GatewaySequences, RememberTheLastRefusalsOnly) {
  Progress progress;
  for (std::uint64_t number = 1; number <= 1000; number += 2) progress.refuse(number);
  EXPECT_EQ(progress.refused.size(), Sequences::most_refused);
  EXPECT_TRUE(progress.has_refused(999));
  EXPECT_FALSE(progress.has_refused(1));
  progress.sequence = 1000;
  Sequences sequences;
  apply(sequences, "w/a/s", Sequences::value_of(progress));
  EXPECT_EQ(sequences.progress("w/a/s"), progress);
}

TEST(GatewaySequences, LeaveAloneWhatTheyDoNotKnow) {
  Sequences sequences;
  for (const char* const value :
       {"", "{}", R"({"sequence":})", R"({"sequence":1)", R"({"sequence":-1})",
        R"({"sequence":1,"refused":[]})", R"({"sequence":1,"refused":[[1,2]})",
        R"({"sequence":1,"refused":[[1]]})", R"({"sequence":1}x)", R"({"sequence":99999999999999999999})"})
    apply(sequences, "w/a/s", value);
  EXPECT_EQ(sequences.size(), 0u);
}

}  // namespace
}  // namespace tiderace::gateway
