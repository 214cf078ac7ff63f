#include <algorithm>

#include "base/error.h"
#include "runtime/models/task_models.h"
#include "runtime/recovery.h"
#include "runtime/worker.h"

namespace tiderace {
namespace {

constexpr std::chrono::milliseconds replay_poll{50};

}  // namespace

Mended Worker::end_before(const TopicPartition& partition, BadRow& row) {
  end_checkpoint();
  Task& stopped = *tasks_.at(partition).task;
  Mended mended = stopped.mended();
  // What it was scored by stays in memory: to stop takes no registry.
  const std::vector<ModelUse> held(stopped.models().uses().begin(), stopped.models().uses().end());
  for (std::optional<BadRow> found = row; found;) {
    row = *found;
    producer_->abort();
    sinks_.forget_taken();
    pending_.clear();
    counters_ = committed_counters_;
    // What the others have done since their last checkpoint is gone, too.
    for (auto& [other, assigned] : tasks_)
      assigned.task.reset();  // closes its store before it is opened again
    Assigned& assigned = tasks_.at(partition);
    // Not from the group's offset: without one it may be the topic's present end. What there is to restore is
    // one checkpoint, which no stop needs to cut short.
    Prepared prepared;
    prepared.store = restore(context_, stage_of(partition.topic), partition, [] { return false; });
    prepared.start.offset = assigned.committed_offset;
    prepared.models =
        restore_models(stage_of(partition.topic), *prepared.store, partition, assigned.committed_offset);
    start(partition, assigned, std::move(prepared));
    if (!context_.exactly_once() && assigned.task->models().changed())
      checkpoint();  // before rows are visible
    found = replay(assigned, row.offset);
    if (found) mended = assigned.task->mended();
  }
  dirty_ = true;
  return mended;
}

void Worker::stop_before(const TopicPartition& partition, BadRow row) {
  const std::uint64_t read = counters_.rows_in;
  try {
    end_or_resume(partition, std::move(row));
  } catch (...) {
    // What was read and is not done again yet; `go_back` gives back the rest.
    if (limits_.count) state_.rows_left += static_cast<std::int64_t>(read - counters_.rows_in);
    throw;
  }
}

void Worker::end_or_resume(const TopicPartition& partition, BadRow row) {
  // Rows behind the bad one may have entered the state of steps before it, so everything since the last
  // checkpoint is done again, up to the row. On the way an earlier row may turn out bad at a later step.
  const Mended mended = end_before(partition, row);
  if (mended.by) {
    tasks_.at(partition).task->models().take_over(mended, row.offset);
    checkpoint();
    throw Resumed(Error(
        ErrorKind::config,
        fmt::format("{} partition {}: version {} takes the row at offset {}, where it was: {}",
                    partition.topic, partition.partition, mended.by->version, row.offset, row.message)));
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
