#include "runtime/worker.h"

#include <algorithm>

#include "base/error.h"
#include "base/logging.h"
#include "runtime/recovery.h"

namespace tiderace {
namespace {

constexpr std::size_t poll_bytes = 2u << 20;  // of each partition: stays in the caches on its way through
constexpr std::uint64_t max_uncommitted_bytes = 64u
                                                << 20;  // read: bounds what the producer holds until a commit
constexpr std::chrono::milliseconds idle_poll{50};      // how soon an idle worker notices `stop`

OffsetReset offset_reset(AutoOffsetReset reset) noexcept {
  return reset == AutoOffsetReset::latest ? OffsetReset::latest : OffsetReset::earliest;
}

}  // namespace

std::shared_ptr<const Records> cut(const std::shared_ptr<const Records>& records, std::int64_t end,
                                   std::size_t rows) {
  const auto past = std::find_if(records->rows.begin(), records->rows.end(),
                                 [end](const Record& record) { return record.offset >= end; });
  const std::size_t kept = std::min(rows, static_cast<std::size_t>(past - records->rows.begin()));
  if (kept == records->rows.size()) return records;
  auto part = std::make_shared<Records>();
  part->topic = records->topic;
  part->partition = records->partition;
  part->rows.assign(records->rows.begin(), records->rows.begin() + static_cast<std::ptrdiff_t>(kept));
  part->next_offset = records->rows[kept].offset;
  part->padded = records->padded;
  part->owner = records;
  return part;
}

Worker::Worker(const RuntimeContext& context, std::vector<std::unique_ptr<Stage>>& stages,
               const RunLimits& limits, RunState& state, int index)
    : context_(context), stages_(stages), limits_(limits), state_(state), index_(index) {}

void Worker::run() {
  ConsumerOptions options;
  options.group = context_.options.consumer_group;
  options.worker = index_;
  options.workers = context_.options.workers;
  options.auto_offset_reset = offset_reset(context_.options.auto_offset_reset);
  options.max_poll_bytes = poll_bytes;
  options.stop = &state_.stop;
  producer_ = context_.log->producer();
  consumer_ = context_.log->consumer(options);
  std::vector<std::string> topics;
  for (const auto& stage : stages_) topics.push_back(stage->resolved.topic->name);
  consumer_->subscribe(topics);
  next_checkpoint_ns_ = context_.clock->steady_ns() + context_.commit_interval_ns();

  bool assigned = false;
  while (!state_.stop.load(std::memory_order_relaxed)) {
    PollResult result = consumer_->poll(poll_timeout());
    if (!result.revoked.empty()) give_back(result.revoked);
    for (const TopicPartition& partition : result.assigned) take_over(partition);
    assigned = assigned || !result.assigned.empty();
    for (const auto& records : result.records) process(records);
    if (!context_.exactly_once()) hand_over();
    const bool due =
        context_.clock->steady_ns() >= next_checkpoint_ns_ || uncommitted_bytes_ >= max_uncommitted_bytes;
    if (dirty_ && due) checkpoint();
    if ((assigned || result.records.empty()) && reached_limit()) break;
  }
  checkpoint();
}

std::chrono::milliseconds Worker::poll_timeout() const {
  if (!dirty_) return idle_poll;
  const std::int64_t left_ns = next_checkpoint_ns_ - context_.clock->steady_ns();
  return std::clamp(std::chrono::milliseconds((left_ns + 999'999) / 1'000'000), std::chrono::milliseconds(0),
                    idle_poll);
}

Stage& Worker::stage_of(const std::string& topic) const {
  for (const auto& stage : stages_) {
    if (stage->resolved.topic->name == topic) return *stage;
  }
  throw_error(ErrorKind::broker, "was assigned a partition of {}, to which nobody subscribed", topic);
}

bool Worker::make_task(Assigned& assigned, Stage& stage, const TopicPartition& partition,
                       std::optional<std::int64_t> from, const std::atomic<bool>& stop) {
  assigned.task.reset();  // closes its store before the store is opened again
  auto store = restore(context_, stage, partition, stop);
  if (store == nullptr) return false;
  // State knows the input position that it belongs to; under at-least-once it may be ahead of the group's
  // offset.
  const std::int64_t stored = store->position().input_offset;
  if (!from && stage.stateful() && stored >= 0) from = stored;
  if (!from) {
    const StartOffset start = consumer_->start_offset(partition);
    from = start.offset;
    assigned.is_new = !start.committed;
  }
  assigned.initial.clear();
  if (stage.stateful()) {
    add_identity(context_, stage, *store, assigned.initial);
    compare_step_names(stage, *store, assigned.initial);
  }
  Task::Resources resources;
  resources.store = std::move(store);
  resources.producer = producer_.get();
  resources.counters = &counters_;
  assigned.task = std::make_unique<Task>(context_, stage, partition, std::move(resources));
  assigned.committed_offset = *from;
  assigned.task->set_position(assigned.committed_offset);
  consumer_->start(partition, assigned.committed_offset);
  return true;
}

void Worker::take_over(const TopicPartition& partition) {
  Assigned& assigned = tasks_[partition];
  assigned.end_offset = consumer_->end_offset(partition);
  if (!make_task(assigned, stage_of(partition.topic), partition, std::nullopt, state_.stop)) {
    tasks_.erase(partition);
    return;
  }
  if (assigned.is_new && context_.options.auto_offset_reset == AutoOffsetReset::latest) {
    // What comes from now on is this group's, also if it comes while nobody is there: the start is committed
    // before the first row is read.
    dirty_ = true;
    next_checkpoint_ns_ = context_.clock->steady_ns();
  }
  state_.last_row_ns.store(context_.clock->steady_ns(), std::memory_order_relaxed);  // restoring is no pause
  log(LogLevel::debug, "{} partition {}: starts at offset {}, ends now at {}", partition.topic,
      partition.partition, assigned.committed_offset, assigned.end_offset);
}

void Worker::give_back(const std::vector<TopicPartition>& partitions) {
  checkpoint();
  for (const TopicPartition& partition : partitions) tasks_.erase(partition);
}

void Worker::process(const std::shared_ptr<const Records>& polled) {
  std::shared_ptr<const Records> records = polled;
  const TopicPartition partition{records->topic, records->partition};
  Assigned& assigned = tasks_.at(partition);
  if (limits_.until_end) {
    if (assigned.task->position() >= assigned.end_offset) return;
    records = cut(records, assigned.end_offset, SIZE_MAX);
  }
  if (limits_.count) {
    const auto wanted = static_cast<std::int64_t>(records->rows.size());
    const std::int64_t left = state_.rows_left.fetch_sub(wanted);
    if (left <= 0) return;
    records = cut(records, INT64_MAX, static_cast<std::size_t>(std::min(left, wanted)));
  }
  const std::int64_t arrived_ns = context_.clock->steady_ns();
  const std::uint64_t written = counters_.rows_out;
  dirty_ = true;
  for (const Record& record : records->rows) uncommitted_bytes_ += record.value_size + record.key_size;
  if (auto row = assigned.task->process(records)) stop_before(partition, std::move(*row));
  // Afterwards: rows that wait behind a slow one are no pause.
  state_.last_row_ns.store(context_.clock->steady_ns(), std::memory_order_relaxed);
  if (counters_.rows_out != written) pending_.push_back({arrived_ns, counters_.rows_out - written});
}

void Worker::hand_over() {
  if (pending_.empty()) return;
  producer_->flush();
  const std::int64_t now = context_.clock->steady_ns();
  for (const Pending& pending : pending_) latency_.add(now - pending.arrived_ns, pending.rows);
  pending_.clear();
}

void Worker::checkpoint() {
  next_checkpoint_ns_ = context_.clock->steady_ns() + context_.commit_interval_ns();
  if (!dirty_) return;
  struct Flushed {
    Assigned* assigned;
    std::vector<Change> changes;
  };
  std::vector<Flushed> flushed;
  std::vector<OffsetCommit> offsets;
  for (auto& [partition, assigned] : tasks_) {
    Task& task = *assigned.task;
    if (task.position() == assigned.committed_offset && !assigned.is_new) continue;
    offsets.push_back({partition, task.position()});
    if (!task.stage().stateful() || task.position() == assigned.committed_offset) continue;
    Flushed entry{&assigned, std::move(assigned.initial)};
    task.flush(entry.changes);
    std::vector<ProducerRecord> records;
    records.reserve(entry.changes.size());
    const std::int64_t now_ms = context_.clock->wall_ms();
    for (const Change& change : entry.changes) records.push_back({change.key, change.value, {}, now_ms});
    producer_->send(changelog_topic(context_.options.consumer_group, partition.topic), records,
                    partition.partition);
    flushed.push_back(std::move(entry));
  }
  const auto ends = producer_->commit(context_.options.consumer_group, offsets);
  const std::int64_t now = context_.clock->steady_ns();
  for (const Pending& pending : pending_) latency_.add(now - pending.arrived_ns, pending.rows);
  pending_.clear();
  for (Flushed& entry : flushed) {
    const TopicPartition& partition = entry.assigned->task->partition();
    entry.assigned->task->committed(
        entry.changes,
        ends.at({changelog_topic(context_.options.consumer_group, partition.topic), partition.partition}));
  }
  for (auto& [partition, assigned] : tasks_) {
    assigned.committed_offset = assigned.task->position();
    assigned.is_new = false;
  }
  committed_counters_ = counters_;
  dirty_ = false;
  uncommitted_bytes_ = 0;
}

bool Worker::reached_limit() const {
  if (limits_.count && state_.rows_left.load() <= 0) return true;
  if (limits_.timeout && context_.clock->steady_ns() - state_.last_row_ns.load() > limits_.timeout->count())
    return true;
  if (!limits_.until_end) return false;
  return std::all_of(tasks_.begin(), tasks_.end(), [](const auto& entry) {
    return entry.second.task->position() >= entry.second.end_offset;
  });
}

void Worker::stop_before(const TopicPartition& partition, BadRow row) {
  // Rows behind the bad one may have entered the state of steps before it, so everything since the last
  // checkpoint is done again, up to the row. On the way an earlier row may turn out bad at a later step.
  for (std::optional<BadRow> found = row; found;) {
    row = *found;
    producer_->abort();
    pending_.clear();
    counters_ = committed_counters_;
    for (auto& [other, assigned] : tasks_) assigned.task->set_position(assigned.committed_offset);
    Assigned& assigned = tasks_.at(partition);
    // Not from the group's offset: without one it may be the topic's present end. What there is to restore is
    // one checkpoint, which no stop needs to cut short.
    const std::atomic<bool> never{false};
    TIDERACE_CHECK(make_task(assigned, assigned.task->stage(), partition, assigned.committed_offset, never));
    found = replay(assigned, row.offset);
  }
  ++counters_.bad;
  std::erase_if(tasks_, [&](const auto& entry) { return entry.first != partition; });
  checkpoint();
  throw Error(std::move(row));
}

std::optional<BadRow> Worker::replay(Assigned& assigned, std::int64_t end) {
  const TopicPartition partition = assigned.task->partition();
  while (assigned.task->position() < end) {
    for (const auto& records : consumer_->poll(idle_poll).records) {
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
