#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <vector>

#include "log/kafka/client.h"
#include "log/kafka/run_builder.h"
#include "log/kafka/undecided.h"
#include "log/log.h"

namespace tiderace::kafka {

/// `Follower` says what it does.
class KafkaFollower final : public Follower {
 public:
  explicit KafkaFollower(const Connection& connection);
  ~KafkaFollower() override;

  void follow(const std::map<TopicPartition, std::int64_t>& positions) override;
  std::vector<std::shared_ptr<const Records>> poll(std::chrono::milliseconds timeout) override;
  [[nodiscard]] std::optional<std::int64_t> lag(const TopicPartition& partition) const override;
  [[nodiscard]] std::optional<std::int64_t> position(const TopicPartition& partition) const override;

 private:
  void look_for_undecided();
  void take(rd_kafka_message_t* message, std::map<TopicPartition, RunBuilder>& runs);

  UndecidedWatch undecided_;
  Client client_;
  Queue queue_;
  std::map<TopicPartition, std::int64_t> positions_;
  std::set<TopicPartition> at_end_;         ///< nothing that is decided came behind the position so far
  std::vector<rd_kafka_message_t*> batch_;  ///< room for what is taken from the queue at once
};

}  // namespace tiderace::kafka
