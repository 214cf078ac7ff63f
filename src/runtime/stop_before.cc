#include <algorithm>

#include "base/error.h"
#include "runtime/models/task_models.h"
#include "runtime/recovery.h"
#include "runtime/worker.h"

namespace tiderace {
namespace {

constexpr std::chrono::milliseconds replay_poll{50};

}  // namespace

void Worker::stop_before(const TopicPartition& partition, BadRow row) {
  // Rows behind the bad one may have entered the state of steps before it, so everything since the last
  // checkpoint is done again, up to the row. On the way an earlier row may turn out bad at a later step.
  end_checkpoint();
  for (std::optional<BadRow> found = row; found;) {
    row = *found;
    producer_->abort();
    sinks_.forget_taken();
    pending_.clear();
    counters_ = committed_counters_;
    for (auto& [other, assigned] : tasks_) {
      if (assigned.task) assigned.task->set_position(assigned.committed_offset);
    }
    Assigned& assigned = tasks_.at(partition);
    // Not from the group's offset: without one it may be the topic's present end. What there is to restore is
    // one checkpoint, which no stop needs to cut short.
    assigned.task.reset();  // closes its store before the store is opened again
    Prepared prepared;
    prepared.store = restore(context_, stage_of(partition.topic), partition, [] { return false; });
    prepared.start.offset = assigned.committed_offset;
    prepared.models = restore_models(stage_of(partition.topic), *prepared.store, partition,
                                     assigned.committed_offset, [] { return false; });
    start(partition, assigned, std::move(prepared));
    found = replay(assigned, row.offset);
  }
  ++counters_.bad;
  for (const TopicPartition& other : partitions()) {
    if (other != partition) forget(other);
  }
  checkpoint();
  throw Error(std::move(row));
}

std::optional<BadRow> Worker::replay(Assigned& assigned, std::int64_t end) {
  const TopicPartition partition = assigned.task->partition();
  while (assigned.task->position() < end) {
    const PollResult result = consumer_->poll(replay_poll);
    for (const auto* gone : {&result.revoked, &result.lost}) {
      if (std::find(gone->begin(), gone->end(), partition) != gone->end()) {
        forget(partition);
        for (const TopicPartition& given : result.assigned) tasks_[given] = {};
        throw CommitLost(
            Error(ErrorKind::broker, "the partition of the bad row was given to another member"));
      }
      for (const TopicPartition& other : *gone) forget(other);
    }
    for (const TopicPartition& given : result.assigned) tasks_[given] = {};
    for (const auto& [reached, offset] : result.reached) {
      if (reached == partition)
        assigned.task->set_position(std::max(assigned.task->position(), std::min(offset, end)));
    }
    for (const auto& records : result.records) {
      if (records->topic != partition.topic || records->partition != partition.partition) continue;
      const auto part = cut(records, end, SIZE_MAX);
      if (!part->rows.empty()) {
        if (auto row = assigned.task->process(part)) return row;
      }
      assigned.task->set_position(part->next_offset);
    }
  }
  assigned.task->set_position(end);
  return std::nullopt;
}

}  // namespace tiderace
