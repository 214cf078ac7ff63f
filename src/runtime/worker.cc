#include "runtime/worker.h"

#include <algorithm>
#include <exception>
#include <thread>

#include "base/error.h"
#include "base/logging.h"
#include "runtime/recovery.h"

namespace tiderace {
namespace {

constexpr std::size_t poll_bytes = 2u << 20;  // of each partition: stays in the caches on its way through
constexpr std::uint64_t max_uncommitted_bytes = 64u
                                                << 20;  // read: bounds what the producer holds until a commit
constexpr std::chrono::milliseconds idle_poll{50};      // how soon an idle worker notices `stop`
constexpr std::chrono::milliseconds busy_poll{
    1};  // while something goes on beside, whose end it is to notice
constexpr std::int64_t report_interval_ns = 250'000'000;

OffsetReset offset_reset(AutoOffsetReset reset) noexcept {
  return reset == AutoOffsetReset::latest ? OffsetReset::latest : OffsetReset::earliest;
}

}  // namespace

std::shared_ptr<const Records> cut(const std::shared_ptr<const Records>& records, std::int64_t end,
                                   std::size_t rows) {
  const auto past = std::find_if(records->rows.begin(), records->rows.end(),
                                 [end](const Record& record) { return record.offset >= end; });
  const std::size_t kept = std::min(rows, static_cast<std::size_t>(past - records->rows.begin()));
  return part_of(records, 0, kept);
}

Worker::Worker(const RuntimeContext& context, std::vector<std::unique_ptr<Stage>>& stages,
               const RunLimits& limits, RunState& state, int index)
    : context_(context),
      stages_(stages),
      limits_(limits),
      state_(state),
      index_(index),
      sinks_(
          context, stages, state.stop,
          [this] { metrics_->heartbeat_ns().store(context_.clock->steady_ns(), std::memory_order_relaxed); }),
      metrics_(context.metrics->add_worker(static_cast<std::size_t>(index))),
      // Under exactly-once a worker waits for its commits.
      pace_(context.commit_interval_ns(), context.exactly_once() && !context.options.commit_interval) {}

Worker::~Worker() {
  for (auto& [partition, assigned] : tasks_) {
    if (assigned.preparation) assigned.preparation->cancel();  // all at once, before each is waited for
  }
}

void Worker::open() {
  ConsumerOptions options;
  options.group = context_.options.consumer_group;
  options.worker = index_;
  options.workers = context_.options.workers;
  options.auto_offset_reset = offset_reset(context_.options.auto_offset_reset);
  options.on_lost_offset = context_.options.on_lost_offset;
  options.max_poll_bytes = poll_bytes;
  options.stop = &state_.stop;
  options.group_instance_id = context_.options.group_instance_id;
  consumer_ = context_.log->consumer(options);
  producer_ = new_producer();
  std::vector<std::string> topics;
  for (const auto& stage : stages_) topics.push_back(stage->resolved.topic->name);
  consumer_->subscribe(topics);
}

void Worker::run() {
  open();
  pace_.begin(context_.clock->steady_ns());
  for (bool done = false; !done;) {
    try {
      producer_->warm_up();  // while the group takes this member in
      while (!state_.stop.load(std::memory_order_relaxed) && !turn()) {
      }
      end_checkpoint();
      announce_swaps(false);  // a run may be one batch: the next one begins with what was tried on it
      if (dirty_) checkpoint(partitions());
      next_report_ns_ = 0;
      report();  // what is shown last is what the run returns
      done = true;
    } catch (const CommitLost& reason) {
      go_back(reason);
    } catch (const BrokerAway& reason) {
      go_back(reason);  // wherever it was: what was not committed is done again
    } catch (const SinkLost& reason) {
      go_back(reason);
    } catch (const Resumed& reason) {
      go_back(reason);
    }
    done = done || state_.stop.load(std::memory_order_relaxed);
  }
}

std::vector<TopicPartition> Worker::partitions() const {
  std::vector<TopicPartition> all;
  for (const auto& [partition, assigned] : tasks_) all.push_back(partition);
  return all;
}

void Worker::take_up_left_out() {
  left_out_ = false;
  for (auto& [partition, assigned] : tasks_) {
    if (std::exchange(assigned.left_out, false) && assigned.task)
      consumer_->start(partition, assigned.task->position());
  }
}

bool Worker::turn() {
  // Rows have gone back, here or in another worker, so that those are wanted after all.
  if (left_out_ && state_.rows_left.load() > 0) take_up_left_out();
  const PollResult result = consumer_->poll(poll_timeout());
  metrics_->heartbeat_ns().store(context_.clock->steady_ns(), std::memory_order_relaxed);
  joined_ = joined_ || result.rebalanced;
  change_members(result);
  announce_swaps(!context_.exactly_once());
  // Before anything is started: what came was read from where the tasks stood.
  for (const auto& records : result.records) process(records);
  for (const auto& [partition, offset] : result.reached) reach(partition, offset);
  report();  // preparing may be the worker's own work, and long
  prepare();
  start_prepared();
  find_fed_ends();
  if (!result.records.empty()) behind_ = behind_ && result.behind;
  if (!context_.exactly_once()) hand_over(result.behind);
  const bool full = uncommitted_bytes_ >= max_uncommitted_bytes;
  if (under_way_ && !under_way_->asked && sinks_.commit_ended()) ask_log(*under_way_);
  if (under_way_ && (full || (under_way_->asked && producer_->commit_ended()))) end_checkpoint();
  if (dirty_ && !under_way_ && (full || pace_.left_ns(context_.clock->steady_ns(), behind_) <= 0)) {
    begin_checkpoint();
    if (has_to_wait()) end_checkpoint();
  }
  return all_reached_limit();
}

void Worker::change_members(const PollResult& result) {
  report_.rebalances += result.rebalanced ? 1 : 0;
  report_.partitions_lost += result.lost.size();
  std::exception_ptr failure;  // partitions that go are gone all the same
  const auto attempt = [&](const auto& call) {
    try {
      if (!failure) call();
    } catch (...) {
      failure = std::current_exception();
    }
  };
  const bool lost = !result.lost.empty() && (dirty_ || under_way_);
  if (lost) attempt([&] { give_up_checkpoint(); });
  if (!result.revoked.empty()) attempt([&] { end_checkpoint(); });
  for (const TopicPartition& partition : result.lost) forget(partition);
  if (!result.revoked.empty() && !lost) attempt([&] { checkpoint(result.revoked); });
  for (const TopicPartition& partition : result.revoked) forget(partition);
  for (const TopicPartition& partition : result.assigned) tasks_[partition] = {};
  if (failure) std::rethrow_exception(failure);
  if (!result.lost.empty()) {
    log(LogLevel::warning,
        "{}: while this member was away the group has given {} of its partitions to others; what it did of "
        "them since the last commit is thrown away",
        context_.options.consumer_group, result.lost.size());
  }
  // What is in the transaction, or among the outputs, is of all partitions.
  if (lost) throw CommitLost(Error(ErrorKind::broker, "partitions were lost"));
}

std::chrono::milliseconds Worker::poll_timeout() const {
  if (at_limit_ || under_way_ || preparing_ || opening_) return busy_poll;
  if (!dirty_) return idle_poll;
  const std::int64_t left_ns = pace_.left_ns(context_.clock->steady_ns(), behind_);
  return std::clamp(std::chrono::milliseconds((left_ns + 999'999) / 1'000'000), std::chrono::milliseconds(0),
                    idle_poll);
}

Stage& Worker::stage_of(const std::string& topic) const {
  for (const auto& stage : stages_) {
    if (stage->resolved.topic->name == topic) return *stage;
  }
  throw_error(ErrorKind::broker, "was assigned a partition of {}, to which nobody subscribed", topic);
}

void Worker::forget(const TopicPartition& partition) {
  const auto found = tasks_.find(partition);
  if (found == tasks_.end()) return;
  if (auto preparation = std::move(found->second.preparation)) {
    preparation->cancel();
    ending_.emplace(partition, std::move(preparation));
  }
  tasks_.erase(found);
  sinks_.forget(partition);
}

void Worker::prepare() {
  std::erase_if(ending_, [](const auto& entry) { return entry.second->ended(); });
  int busy = 0;
  // One that waits for a registry, for however long, takes nobody's place.
  for (const auto& [partition, preparation] : ending_) busy += preparation->asks_registry() ? 0 : 1;
  for (const auto& [partition, assigned] : tasks_)
    busy += assigned.preparation && !assigned.preparation->asks_registry() ? 1 : 0;
  preparing_ = !ending_.empty();
  for (auto& [partition, assigned] : tasks_) {
    if (assigned.task || assigned.prepared || state_.stop.load(std::memory_order_relaxed)) continue;
    if (context_.clock->steady_ns() < assigned.next_try_ns) continue;
    if (!assigned.preparation) {
      if (busy >= std::max(context_.restore_threads, 1) || ending_.contains(partition)) continue;
      ++busy;
      assigned.preparation =
          std::make_unique<Preparation>(context_, stage_of(partition.topic), *consumer_, partition,
                                        producer_->identity(), limits_.until_end);
    }
    if (assigned.preparation->ended() && take_prepared(partition, assigned)) --busy;
    preparing_ = preparing_ || assigned.preparation;
  }
}

bool Worker::take_prepared(const TopicPartition& partition, Assigned& assigned) {
  const auto preparation = std::move(assigned.preparation);
  try {
    assigned.prepared = preparation->take();
    assigned.waits_for.clear();
  } catch (const ModelAway& away) {
    wait_for_model(partition, assigned, away);
  } catch (const BrokerAway& away) {
    log(LogLevel::warning, "{} partition {} is not ready yet: {}", partition.topic, partition.partition,
        away.what());
  }
  if (!assigned.prepared) return false;
  if (assigned.end_offset >= 0) return true;
  assigned.end_offset = assigned.prepared->end_offset;
  assigned.fed = limits_.until_end &&
                 std::any_of(state_.feeders.begin(), state_.feeders.end(),
                             [&](const auto& feeder) { return feeder->topic() == partition.topic; });
  if (assigned.fed) assigned.end_offset = INT64_MAX;
  return true;
}

bool Worker::open_sinks(const TopicPartition& partition, Assigned& assigned) {
  const Stage& stage = stage_of(partition.topic);
  if (assigned.sinks_open || !sinks_.has(stage)) return true;
  const auto start = sinks_.open(stage, partition, [&] {
    return SinkStart{assigned.prepared->start, context_.log->offsets(partition).first,
                     context_.log->written_offset(partition)};
  });
  if (!start) {
    state_.last_row_ns.store(context_.clock->steady_ns(), std::memory_order_relaxed);  // waiting is no pause
    return false;
  }
  assigned.prepared->start.offset = *start;
  assigned.sinks_open = true;
  return true;
}

void Worker::start_prepared() {
  std::vector<OffsetCommit> claims;
  opening_ = false;
  for (auto& [partition, assigned] : tasks_) {
    if (!assigned.prepared) continue;
    if (open_sinks(partition, assigned))
      claims.push_back({partition, assigned.prepared->start.offset});
    else
      opening_ = opening_ || sinks_.waits_for(stage_of(partition.topic)).empty();
  }
  if (claims.empty()) return;
  // A claim is a commit: what others have done since the last one must not go out with it, without its
  // offsets.
  checkpoint();
  if (!producer_->claim(claims)) return;
  for (const OffsetCommit& claim : claims) {
    Assigned& assigned = tasks_.at(claim.partition);
    assigned.is_new = !assigned.prepared->start.committed;
    start(claim.partition, assigned, *std::exchange(assigned.prepared, std::nullopt));
  }
}

void Worker::start(const TopicPartition& partition, Assigned& assigned, Prepared prepared) {
  Stage& stage = stage_of(partition.topic);
  assigned.initial.clear();
  if (stage.stateful()) {
    add_identity(context_, stage, *prepared.store, assigned.initial);
    compare_step_names(stage, *prepared.store, assigned.initial);
  }
  Task::Resources resources;
  resources.store = std::move(prepared.store);
  resources.producer = producer_.get();
  resources.counters = &counters_;
  resources.models = std::move(prepared.models);
  resources.sink = [this, partition, begin = prepared.start.offset](const SinkConnector& sink) {
    return sinks_.port(sink, partition, begin);
  };
  assigned.task = std::make_unique<Task>(context_, stage, partition, std::move(resources));
  assigned.committed_offset = prepared.start.offset;
  assigned.task->set_position(assigned.committed_offset);
  assigned.task->models().begin(assigned.committed_offset);
  if (assigned.task->models().changed()) {
    dirty_ = true;
    if (!context_.exactly_once()) pace_.hurry(context_.clock->steady_ns());
  }
  assigned.reported = assigned.committed_offset;
  assigned.left_out = false;
  consumer_->start(partition, assigned.committed_offset);
  if (assigned.is_new && context_.options.auto_offset_reset == AutoOffsetReset::latest) {
    // What comes from now on is this group's, also if it comes while nobody is there: the start is committed
    // before the first row is read.
    dirty_ = true;
    pace_.hurry(context_.clock->steady_ns());
  }
  state_.last_row_ns.store(context_.clock->steady_ns(), std::memory_order_relaxed);  // restoring is no pause
  log(LogLevel::debug, "{} partition {}: starts at offset {}", partition.topic, partition.partition,
      assigned.committed_offset);
}

std::unique_ptr<Producer> Worker::new_producer() const {
  ProducerOptions options;
  options.member = consumer_.get();
  options.exactly_once = context_.exactly_once();
  options.stateful =
      std::any_of(stages_.begin(), stages_.end(), [](const auto& stage) { return stage->stateful(); });
  options.stop = &state_.stop;
  options.heartbeat = &metrics_->heartbeat_ns();
  return context_.log->producer(options);
}

void Worker::go_back(const Error& reason) {
  constexpr std::chrono::milliseconds first_pause{50};
  constexpr int doublings = 6;
  log(LogLevel::warning, "{}: going back to the last commit: {}", context_.options.consumer_group,
      reason.what());
  if (dynamic_cast<const Resumed*>(&reason) == nullptr) ++report_.commits_lost;
  const int failures = failures_;
  try {
    give_up_checkpoint();
  } catch (const CommitLost& lost) {
    log(LogLevel::debug, "{}: {}", context_.options.consumer_group, lost.what());
  } catch (const BrokerAway& away) {
    log(LogLevel::debug, "{}: {}", context_.options.consumer_group, away.what());
  } catch (const SinkLost& lost) {
    log(LogLevel::debug, "{}: {}", context_.options.consumer_group, lost.what());
  }
  failures_ = failures;
  sinks_.abort();
  producer_->abort();
  pending_.clear();
  if (limits_.count) {
    state_.rows_left += static_cast<std::int64_t>(counters_.rows_in - committed_counters_.rows_in);
  }
  counters_ = committed_counters_;
  dirty_ = false;
  uncommitted_bytes_ = 0;
  for (auto& [partition, assigned] : tasks_) {
    // A sink may be away for long.
    if (assigned.task && !sinks_.empty()) consumer_->hold(partition);
    assigned.task.reset();  // what is being prepared, or is prepared, goes on
    assigned.sinks_open = false;
  }
  // Whatever took the commit away may not be over; nothing can be done meanwhile.
  std::this_thread::sleep_for(first_pause * (1 << std::min(failures_++, doublings)));
  producer_.reset();
  producer_ = new_producer();
}

void Worker::process(const std::shared_ptr<const Records>& polled) {
  std::shared_ptr<const Records> records = polled;
  const TopicPartition partition{records->topic, records->partition};
  const auto found = tasks_.find(partition);
  if (found == tasks_.end() || !found->second.task) return;  // of a partition that went in the same poll
  Assigned& assigned = found->second;
  TIDERACE_CHECK(records->rows.empty() || records->rows.front().offset >= assigned.task->position());
  if (limits_.until_end) {
    if (assigned.task->position() >= assigned.end_offset) return;
    records = cut(records, assigned.end_offset, SIZE_MAX);
  }
  if (limits_.count) {
    if (assigned.left_out) return;  // what is before them comes again first
    const auto wanted = static_cast<std::int64_t>(records->rows.size());
    const std::int64_t left = state_.rows_left.fetch_sub(wanted);
    const std::int64_t taken = std::clamp<std::int64_t>(left, 0, wanted);
    state_.rows_left += wanted - taken;  // where rows go back, only these come again
    if (taken < wanted) assigned.left_out = left_out_ = true;
    if (taken == 0) return;
    records = cut(records, INT64_MAX, static_cast<std::size_t>(taken));
  }
  const std::int64_t arrived_ns = context_.clock->steady_ns();
  const std::uint64_t written = counters_.rows_out;
  if (!context_.exactly_once() && !records->rows.empty())
    wait_for_swap(*assigned.task, records->rows.back().offset);
  dirty_ = true;
  std::uint64_t bytes = 0;
  for (const Record& record : records->rows) bytes += record.value_size + record.key_size;
  uncommitted_bytes_ += bytes;
  counters_.bytes_read += bytes;
  ++counters_.batches;
  const std::uint64_t read = counters_.rows_in;
  if (auto row = assigned.task->process(records)) {
    if (limits_.count)
      state_.rows_left += static_cast<std::int64_t>(read + records->rows.size() - counters_.rows_in);
    stop_before(partition, std::move(*row));
  }
  // Afterwards: rows that wait behind a slow one are no pause.
  state_.last_row_ns.store(context_.clock->steady_ns(), std::memory_order_relaxed);
  if (counters_.rows_out != written) pending_.push_back({arrived_ns, counters_.rows_out - written});
}

void Worker::reach(const TopicPartition& partition, std::int64_t offset) {
  const auto found = tasks_.find(partition);
  if (found == tasks_.end() || !found->second.task) return;
  Task& task = *found->second.task;
  // Not past rows that a limit has left out.
  const bool all_read = !limits_.count || (!found->second.left_out && state_.rows_left.load() > 0);
  if (!all_read || offset <= task.position()) return;
  task.set_position(offset);
  dirty_ =
      true;  // the group's offset is to say so too: others wait for it, and it is what lag is counted from
}

void Worker::hand_over(bool behind) {
  if (pending_.empty()) return;
  if (!behind) producer_->flush();
  if (sinks_.empty()) note_latency(pending_);
}

void Worker::note_latency(std::vector<Pending>& pending) {
  const std::int64_t now = context_.clock->steady_ns();
  for (const Pending& each : pending) {
    latency_.add(now - each.arrived_ns, each.rows);
    report_.latency.add(now - each.arrived_ns, each.rows);
  }
  pending.clear();
}

void Worker::report() {
  const std::int64_t now = context_.clock->steady_ns();
  if (now < next_report_ns_) return;
  next_report_ns_ = now + report_interval_ns;
  report_.counters = counters_;
  report_.joined = joined_;
  report_.partitions.clear();
  for (auto& [partition, assigned] : tasks_) {
    PartitionReport& entry = report_.partitions.emplace_back();
    entry.partition = partition;
    entry.position = assigned.committed_offset;
    if (assigned.task) {
      entry.ready = true;
      entry.position = assigned.task->position();
      assigned.rows_a_report = entry.position - std::exchange(assigned.reported, entry.position);
      entry.state_bytes = assigned.task->state_bytes();
      entry.memory_bytes = assigned.task->keys().bytes();
      if (const auto heard = consumer_->heard_end_offset(partition)) {
        assigned.heard_end = *heard;
        if (assigned.rows_a_report > 0) assigned.task->models().heard_end(*heard);
      }
    } else {
      entry.waits_for =
          assigned.waits_for.empty() ? sinks_.waits_for(stage_of(partition.topic)) : assigned.waits_for;
    }
    if (assigned.heard_end >= 0) entry.end_offset = std::max(assigned.heard_end, entry.position);
  }
  sinks_.report(report_.sinks);
  metrics_->publish(report_);
}

void Worker::send_changes(Task& task, const std::vector<Change>& changes) {
  const std::int64_t now_ms = context_.clock->wall_ms();
  std::vector<ProducerRecord> records;
  records.reserve(changes.size());
  for (const Change& change : changes) records.push_back({change.key, change.value, {}, now_ms});
  producer_->send_state(changelog_topic(context_.options.consumer_group, task.partition().topic), records,
                        task.partition().partition);
}

void Worker::checkpoint(const std::vector<TopicPartition>& given_back) {
  end_checkpoint();
  if (!dirty_ && given_back.empty()) return;
  begin_checkpoint(given_back);
  end_checkpoint();
}

void Worker::begin_checkpoint(const std::vector<TopicPartition>& given_back) {
  Checkpoint begun;
  std::vector<WorkerSinks::Moved> moved_rows;
  begun.begin_ns = context_.clock->steady_ns();
  pace_.begin(begun.begin_ns);
  for (auto& [partition, assigned] : tasks_) {
    const bool given = std::find(given_back.begin(), given_back.end(), partition) != given_back.end();
    if (!assigned.task) continue;  // not claimed
    Task& task = *assigned.task;
    const bool moved = task.position() != assigned.committed_offset || task.models().changed();
    if (!moved && !assigned.is_new && !given) continue;
    begun.offsets.push_back({partition, task.position(), given});
    if (!moved) continue;
    moved_rows.push_back({&task.stage(), partition, task.position()});
    if (!task.stage().stateful()) continue;
    begun.flushed.emplace_back(&assigned, &task.flush(std::move(assigned.initial)));
  }
  begun.counters = counters_;
  if (!sinks_.empty() || context_.exactly_once()) begun.pending = std::exchange(pending_, {});
  if (sinks_.empty())
    ask_log(begun);
  else
    sinks_.begin_commit(moved_rows);
  under_way_ = std::move(begun);
  dirty_ = false;
  behind_ = true;
  uncommitted_bytes_ = 0;
}

void Worker::ask_log(Checkpoint& checkpoint) {
  // Not before the sinks have the rows: what state knows of is never read again.
  sinks_.end_commit();
  for (const auto& [assigned, changes] : checkpoint.flushed) send_changes(*assigned->task, *changes);
  checkpoint.commit_ns = context_.clock->steady_ns();
  producer_->begin_commit(context_.options.consumer_group, checkpoint.offsets);
  checkpoint.asked = true;
}

bool Worker::has_to_wait() const {
  // Keys can leave memory only where nothing was processed since the flush.
  if (context_.exactly_once() || state_memory() > context_.options.max_state_memory) return true;
  return std::any_of(tasks_.begin(), tasks_.end(),
                     [](const auto& entry) { return entry.second.task && entry.second.is_new; });
}

std::size_t Worker::state_memory() const {
  std::size_t bytes = 0;
  for (const auto& [partition, assigned] : tasks_)
    if (assigned.task) bytes += assigned.task->keys().bytes();
  return bytes;
}

void Worker::trim_state() {
  const std::size_t held = state_memory();
  const std::size_t most = context_.options.max_state_memory;
  const double share = held > most ? static_cast<double>(most) / static_cast<double>(held) : 1;
  for (auto& [partition, assigned] : tasks_) {
    if (!assigned.task) continue;
    const auto bytes = static_cast<double>(assigned.task->keys().bytes());
    assigned.task->trim(share < 1 ? static_cast<std::size_t>(share * bytes) : SIZE_MAX);
  }
}

void Worker::end_checkpoint() {
  if (!under_way_) return;
  if (!under_way_->asked) ask_log(*under_way_);
  Checkpoint ended = *std::exchange(under_way_, std::nullopt);
  const auto ends = producer_->end_commit();
  const std::int64_t commit_ns = context_.clock->steady_ns() - ended.commit_ns;
  pace_.took(commit_ns);
  report_.commit.add(commit_ns);
  note_latency(ended.pending);
  committed_counters_ = ended.counters;
  for (const auto& [assigned, changes] : ended.flushed)
    assigned->task->committed(ends.at(changelog_of(context_, assigned->task->partition())));
  trim_state();
  for (const OffsetCommit& commit : ended.offsets) {
    Assigned& assigned = tasks_.at(commit.partition);
    assigned.committed_offset = commit.offset;
    assigned.is_new = false;
  }
  failures_ = 0;
  report_.checkpoint.add(context_.clock->steady_ns() - ended.begin_ns);
}

void Worker::give_up_checkpoint() {
  if (under_way_ && (!under_way_->asked || !producer_->is_deciding())) under_way_.reset();
  end_checkpoint();
}

void Worker::find_fed_ends() {
  for (const auto& feeder : state_.feeders) {
    if (!feeder->done()) continue;
    for (auto& [partition, assigned] : tasks_) {
      if (!assigned.fed || partition.topic != feeder->topic()) continue;
      assigned.end_offset = context_.log->written_offset(partition);
      assigned.fed = false;
    }
  }
}

bool Worker::all_reached_limit() {
  const bool reached = joined_ && reached_limit();
  if (reached != at_limit_) state_.at_limit += reached ? 1 : -1;
  at_limit_ = reached;
  return reached && state_.at_limit.load() == context_.options.workers;
}

bool Worker::reached_limit() const {
  if (limits_.count && state_.rows_left.load() <= 0) return true;
  if (limits_.timeout && context_.clock->steady_ns() - state_.last_row_ns.load() > limits_.timeout->count())
    return true;
  if (!limits_.until_end) return false;
  const bool own = std::all_of(tasks_.begin(), tasks_.end(), [](const auto& entry) {
    return entry.second.task && entry.second.task->position() >= entry.second.end_offset;
  });
  return own && (at_limit_ || consumer_->settled());
}

}  // namespace tiderace
