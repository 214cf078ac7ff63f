#include "runtime/sinks/worker_sinks.h"

#include <algorithm>
#include <exception>

#include "base/error.h"
#include "base/logging.h"

namespace tiderace {
namespace {

SinkPartition of(const TopicPartition& partition) {
  return {partition.topic, partition.partition};
}

}  // namespace

WorkerSinks::WorkerSinks(const RuntimeContext& context, const std::vector<std::unique_ptr<Stage>>& stages,
                         const std::atomic<bool>& stop, std::function<void()> waiting)
    : context_(context), waiting_(std::move(waiting)) {
  for (const auto& stage : stages) {
    for (const ResolvedStep& step : stage->resolved.steps) {
      const auto* to_sink = std::get_if<ToSink>(&step.node->step);
      if (to_sink == nullptr) continue;
      const SinkConnector* sink = to_sink->sink.get();
      std::vector<const SinkConnector*>& own = stages_[stage.get()];
      if (std::find(own.begin(), own.end(), sink) == own.end()) own.push_back(sink);
      const bool known = std::any_of(sessions_.begin(), sessions_.end(),
                                     [sink](const Session& session) { return session.sink == sink; });
      if (known) continue;
      Session& session = sessions_.emplace_back();
      session.sink = sink;
      session.session =
          std::make_unique<SinkSession>(*sink, context.options.consumer_group, stop, *context.clock);
      session.report.name = sink->name();
    }
  }
}

WorkerSinks::Session& WorkerSinks::session_of(const SinkConnector& sink) {
  const auto found = std::find_if(sessions_.begin(), sessions_.end(),
                                  [&](const Session& session) { return session.sink == &sink; });
  TIDERACE_CHECK(found != sessions_.end());
  return *found;
}

std::optional<std::int64_t> WorkerSinks::open(const Stage& stage, const TopicPartition& partition,
                                              const std::function<SinkStart()>& known) {
  const auto sinks = stages_.find(&stage);
  TIDERACE_CHECK(sinks != stages_.end());
  bool all = true;
  for (const SinkConnector* sink : sinks->second) {
    SinkSession& session = *session_of(*sink).session;
    session.ask(of(partition));
    all = session.answer(of(partition)).has_value() && all;
  }
  if (!all) return std::nullopt;
  std::int64_t start = INT64_MAX;
  const SinkStart at = known();
  for (const SinkConnector* sink : sinks->second) {
    Session& session = session_of(*sink);
    const std::optional<std::int64_t> has = *session.session->answer(of(partition));
    session.offsets[of(partition)] = has;
    start = std::min(start, begin_at(session, partition, has, at));
  }
  return start;
}

std::int64_t WorkerSinks::begin_at(const Session& session, const TopicPartition& partition,
                                   std::optional<std::int64_t> has, const SinkStart& known) const {
  const std::int64_t start = known.start.offset;
  if (!has) return start;
  const std::string what = fmt::format("{} has the rows of {} partition {} up to offset {}",
                                       session.sink->text(), partition.topic, partition.partition, *has);
  const std::string where =
      fmt::format("consumer_group {} and sink {}", context_.options.consumer_group, session.sink->name());
  if (*has > known.written_offset) {
    throw_error(
        ErrorKind::state,
        "{}, and the topic ends at {}: it was made anew, or is another log's. Use another name= for the "
        "sink, or delete its stored offsets ({})",
        what, known.written_offset, where);
  }
  if (*has > start) {
    log(LogLevel::info, "{}; those from {} on are read again and not written again", what, start);
    return start;
  }
  if (*has == start) return start;
  // Without an offset of the group nobody has said that these rows are done with.
  if (!known.start.committed) return std::max(*has, known.first_offset);
  if (*has < known.first_offset) {
    log(LogLevel::warning, "{}, and the topic begins at {} by now; what was between is not in the sink", what,
        known.first_offset);
    return start;
  }
  throw_error(
      ErrorKind::state,
      "{}, and the group goes on from {}: the sink lacks what is between, as after a restore of an older "
      "copy of it. Reset the group to {} to have them written, or set the sink's stored offset to {} to "
      "go on without them ({})",
      what, start, *has, start, where);
}

void WorkerSinks::forget(const TopicPartition& partition) {
  for (Session& session : sessions_) {
    session.session->forget(of(partition));
    session.offsets.erase(of(partition));
  }
}

SinkPort WorkerSinks::port(const SinkConnector& sink, const TopicPartition& partition, std::int64_t start) {
  Session& session = session_of(sink);
  const auto found = session.offsets.find(of(partition));
  TIDERACE_CHECK(found != session.offsets.end());
  return {&session.session->writer(), of(partition), found->second.value_or(start), &session.taken};
}

void WorkerSinks::begin_commit(std::span<const Moved> moved) {
  for (Session& session : sessions_) {
    session.under_way.clear();
    for (const Moved& each : moved) {
      const auto sinks = stages_.find(each.stage);
      if (sinks == stages_.end()) continue;
      if (std::find(sinks->second.begin(), sinks->second.end(), session.sink) == sinks->second.end())
        continue;
      const std::optional<std::int64_t> has = session.offsets.at(of(each.partition));
      // Rows that it has already are read again: it does not go back.
      session.under_way.push_back({of(each.partition), has, std::max(each.position, has.value_or(0))});
    }
    if (session.under_way.empty()) continue;
    session.handed_over = std::exchange(session.taken, 0);
    session.session->begin_commit(session.under_way);
  }
}

bool WorkerSinks::commit_ended() const {
  return std::all_of(sessions_.begin(), sessions_.end(),
                     [](const Session& session) { return session.session->commit_ended(); });
}

void WorkerSinks::end_commit() {
  std::exception_ptr failure;
  for (Session& session : sessions_) {
    if (session.under_way.empty()) continue;
    try {
      session.session->end_commit(waiting_);
      session.report.rows += session.handed_over;
      session.report.commit.add(session.session->commit_ns());
      for (const SinkCommit& commit : session.under_way) session.offsets[commit.partition] = commit.to;
    } catch (...) {
      if (!failure) failure = std::current_exception();
    }
    session.under_way.clear();
  }
  if (failure) std::rethrow_exception(failure);
}

void WorkerSinks::forget_taken() noexcept {
  for (Session& session : sessions_) {
    session.session->writer().abort();
    session.taken = 0;
  }
}

void WorkerSinks::abort() noexcept {
  for (Session& session : sessions_) {
    session.session->abort();
    session.taken = 0;
    session.offsets.clear();
    session.under_way.clear();
  }
}

std::string WorkerSinks::waits_for(const Stage& stage) const {
  const auto sinks = stages_.find(&stage);
  if (sinks == stages_.end()) return {};
  for (const Session& session : sessions_) {
    if (std::find(sinks->second.begin(), sinks->second.end(), session.sink) == sinks->second.end()) continue;
    const SinkState state = session.session->state();
    if (state.waiting) return state.reason;
  }
  return {};
}

void WorkerSinks::report(std::vector<SinkReport>& reports) const {
  reports.clear();
  for (const Session& session : sessions_) {
    SinkReport& report = reports.emplace_back(session.report);
    const SinkState state = session.session->state();
    report.waiting = state.waiting;
    report.waited_seconds = state.waited_seconds;
  }
}

}  // namespace tiderace
