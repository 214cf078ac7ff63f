#include "log/embedded/embedded_consumer.h"

#include <algorithm>

#include "base/error.h"
#include "log/assignment.h"

namespace tiderace {

EmbeddedConsumer::EmbeddedConsumer(Open open, const ConsumerOptions& options)
    : open_(std::move(open)), options_(options) {
  check_consumer_options(options_);
}

void EmbeddedConsumer::connect() {
  if (connection_ != nullptr) return;
  files_ = &open_();
  connection_ = files_->connect();
}

void EmbeddedConsumer::subscribe(const std::vector<std::string>& topics) {
  connect();
  group_lock_ = files_->groups().acquire(options_.group, options_.stop);
  if (group_lock_ == nullptr) return;
  std::vector<TopicInfo> infos;
  for (const std::string& name : topics) {
    files_->create_topic(name, {});
    infos.push_back(files_->topic(name).info);
  }
  for (TopicPartition& partition : owned_partitions(infos, options_)) {
    const std::int64_t id = files_->partition_id(partition);
    positions_[std::move(partition)] = {id, std::nullopt, std::nullopt};
  }
  assignment_told_ = false;
}

void EmbeddedConsumer::read_from(const std::map<TopicPartition, std::int64_t>& positions) {
  connect();
  positions_.clear();
  for (const auto& [partition, offset] : positions)
    positions_[partition] = {files_->partition_id(partition), offset, std::nullopt};
  empty_at_.reset();
}

EmbeddedConsumer::Position& EmbeddedConsumer::position_of(const TopicPartition& partition) {
  const auto found = positions_.find(partition);
  if (found == positions_.end()) throw_not_assigned(partition, options_);
  return found->second;
}

void EmbeddedConsumer::start(const TopicPartition& partition, std::int64_t offset) {
  position_of(partition).offset = offset;
  empty_at_.reset();
}

StartOffset EmbeddedConsumer::start_offset(const TopicPartition& partition,
                                           std::optional<std::int64_t> known) {
  EmbeddedFiles& files = open_();
  const std::int64_t id = files.partition_id(partition);
  return files.with_connection([&](Connection& connection) {
    Transaction snapshot(connection.database, Transaction::Kind::read);
    if (!known) known = connection.table.group_offset(options_.group, id);
    const std::int64_t first = connection.table.first_offset(id);
    return starting_offset(partition, options_, known, first, connection.table.end_offset(id));
  });
}

std::optional<std::int64_t> EmbeddedConsumer::heard_end_offset(const TopicPartition& partition) {
  return position_of(partition).end;
}

void EmbeddedConsumer::read_into(PollResult& result) {
  // One snapshot for all partitions: what was committed together is seen together.
  Transaction snapshot(connection_->database, Transaction::Kind::read);
  std::vector<std::pair<Position*, std::int64_t>> moved;
  for (auto& [partition, position] : positions_) {
    if (!position.offset) continue;
    position.end = connection_->table.end_offset(position.partition_id);
    if (*position.end <= *position.offset) continue;
    auto records =
        connection_->table.read(partition, position.partition_id, *position.offset, options_.max_poll_bytes);
    moved.emplace_back(&position, records->next_offset);
    if (!records->rows.empty()) result.records.push_back(std::move(records));
  }
  // Only now, so that after an exception nothing was passed over.
  for (const auto& [position, next_offset] : moved) position->offset = next_offset;
}

PollResult EmbeddedConsumer::poll(std::chrono::milliseconds timeout) {
  connect();
  PollResult result;
  if (!assignment_told_) {
    for (const auto& [partition, position] : positions_) result.assigned.push_back(partition);
    result.rebalanced = true;
  }
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  for (;;) {
    const std::uint32_t seen = files_->wake().value();
    const auto now = std::chrono::steady_clock::now();
    // Without a commit since the last look there is nothing to see, unless a process died before it could say
    // so.
    if (empty_at_ != seen || now - looked_at_ >= files_->options().poll_interval) {
      read_into(result);
      looked_at_ = now;
      empty_at_ = result.records.empty() ? std::optional(seen) : std::nullopt;
    }
    if (result.rebalanced || !result.records.empty() || now >= deadline) break;
    files_->wake().wait(seen,
                        std::min<std::chrono::nanoseconds>(deadline - now, files_->options().poll_interval));
  }
  assignment_told_ = true;
  return result;
}

}  // namespace tiderace
