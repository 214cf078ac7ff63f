#include "runtime/sinks/sink_session.h"

#include <algorithm>

#include "base/logging.h"

namespace tiderace {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds first_pause{100};
constexpr milliseconds longest_pause{5000};
constexpr std::int64_t saying_ns = 10'000'000'000;
constexpr std::int64_t stop_grace_ns = 5'000'000'000;  // for a commit that is under way
constexpr milliseconds look_interval{50};

}  // namespace

SinkSession::SinkSession(const SinkConnector& sink, std::string group, const std::atomic<bool>& stop,
                         Clock& clock)
    : sink_(sink),
      group_(std::move(group)),
      stop_(stop),
      clock_(clock),
      writer_(sink.writer({group_, &cancelled_})),
      thread_([this] { work(); }) {}

SinkSession::~SinkSession() {
  {
    const std::lock_guard lock(mutex_);
    quit_ = true;
    cancelled_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void SinkSession::ask(const SinkPartition& partition) {
  const std::lock_guard lock(mutex_);
  const auto [question, is_new] = asked_.try_emplace(partition);
  if (!is_new) return;
  question->second.number = ++questions_;
  changed_.notify_all();
}

std::optional<std::optional<std::int64_t>> SinkSession::answer(const SinkPartition& partition) {
  const std::lock_guard lock(mutex_);
  if (failure_) std::rethrow_exception(failure_);
  const auto found = asked_.find(partition);
  return found == asked_.end() ? std::nullopt : found->second.answer;
}

void SinkSession::forget(const SinkPartition& partition) {
  const std::lock_guard lock(mutex_);
  asked_.erase(partition);
}

void SinkSession::begin_commit(std::vector<SinkCommit> offsets) {
  writer_->hand_over();
  const std::lock_guard lock(mutex_);
  commit_.emplace();
  commit_->offsets = std::move(offsets);
  changed_.notify_all();
}

bool SinkSession::commit_ended() const {
  const std::lock_guard lock(mutex_);
  return !commit_ || commit_->ended;
}

void SinkSession::end_commit(const std::function<void()>& waiting) {
  std::unique_lock lock(mutex_);
  std::int64_t stopped_ns = 0;
  while (commit_ && !commit_->ended) {
    changed_.wait_for(lock, look_interval);
    waiting();
    if (!stop_.load(std::memory_order_relaxed)) continue;
    const std::int64_t now = clock_.steady_ns();
    if (stopped_ns == 0) stopped_ns = now;
    if (now - stopped_ns > stop_grace_ns) cancelled_ = true;
  }
  if (!commit_) return;
  const std::exception_ptr failure = commit_->failure;
  commit_.reset();
  if (failure) std::rethrow_exception(failure);
}

void SinkSession::abort() noexcept {
  std::unique_lock lock(mutex_);
  cancelled_ = true;
  ++aborts_;
  asked_.clear();
  if (commit_ && !commit_->ended && !busy_) commit_.reset();  // it has not begun
  changed_.notify_all();
  changed_.wait(lock, [this] { return !busy_; });
  commit_.reset();
  cancelled_ = false;
  lock.unlock();
  writer_->abort();
}

SinkState SinkSession::state() const {
  const std::lock_guard lock(mutex_);
  SinkState state;
  state.waiting = away_since_ns_ != 0;
  state.reason = reason_;
  const std::int64_t away_ns = away_ns_ + (state.waiting ? clock_.steady_ns() - away_since_ns_ : 0);
  state.waited_seconds = static_cast<double>(away_ns) / 1e9;
  return state;
}

std::map<SinkPartition, std::uint64_t> SinkSession::unanswered() const {
  std::map<SinkPartition, std::uint64_t> questions;
  for (const auto& [partition, question] : asked_)
    if (!question.answer) questions.emplace(partition, question.number);
  return questions;
}

void SinkSession::work() {
  std::unique_lock lock(mutex_);
  while (!quit_) {
    if (commit_ && !commit_->ended) {
      commit(lock);
    } else if (!failure_ && !unanswered().empty()) {
      open(lock);
    } else {
      changed_.wait(lock);
    }
  }
}

void SinkSession::open(std::unique_lock<std::mutex>& lock) {
  const std::map<SinkPartition, std::uint64_t> questions = unanswered();
  std::vector<SinkPartition> partitions;
  for (const auto& [partition, number] : questions) partitions.push_back(partition);
  const std::uint64_t aborts = aborts_;
  busy_ = true;
  lock.unlock();
  std::vector<std::optional<std::int64_t>> offsets;
  std::string away;
  std::exception_ptr failure;
  try {
    offsets = writer_->open(partitions);
  } catch (const SinkLost& lost) {
    away = lost.what();
  } catch (...) {
    failure = std::current_exception();
  }
  lock.lock();
  busy_ = false;
  changed_.notify_all();
  if (cancelled_) return;
  failure_ = failure;
  if (failure) return;
  if (away.empty()) {
    note_answer();
    for (std::size_t i = 0; i < partitions.size(); ++i) {
      const auto found = asked_.find(partitions[i]);
      if (found != asked_.end() && found->second.number == questions.at(partitions[i]))
        found->second.answer = offsets[i];
    }
    return;
  }
  note_away(away);
  const auto pause = std::min(first_pause * (1 << std::min(attempts_++, 10)), longest_pause);
  changed_.wait_for(lock, pause, [&] { return quit_ || aborts_ != aborts; });
}

void SinkSession::commit(std::unique_lock<std::mutex>& lock) {
  const std::vector<SinkCommit> offsets = commit_->offsets;
  busy_ = true;
  lock.unlock();
  const std::int64_t begin_ns = clock_.steady_ns();
  std::exception_ptr failure;
  try {
    writer_->commit(offsets);
  } catch (...) {
    failure = std::current_exception();
  }
  const std::int64_t took_ns = clock_.steady_ns() - begin_ns;
  lock.lock();
  busy_ = false;
  commit_ns_ = took_ns;
  commit_->failure = failure;
  commit_->ended = true;
  changed_.notify_all();
}

void SinkSession::note_away(const std::string& reason) {
  const std::int64_t now = clock_.steady_ns();
  reason_ = reason;
  if (away_since_ns_ == 0) away_since_ns_ = now;
  if (told_ns_ != 0 && now - told_ns_ < saying_ns) return;
  told_ns_ = now;
  log(LogLevel::warning, "{}: a sink is waited for since {} s, and nothing is read meanwhile: {}", group_,
      (now - away_since_ns_) / 1'000'000'000, reason);
}

void SinkSession::note_answer() {
  attempts_ = 0;
  if (away_since_ns_ == 0) return;
  const std::int64_t away_ns = clock_.steady_ns() - away_since_ns_;
  log(LogLevel::warning, "{}: {}: answers again, after {:.1f} s", group_, sink_.text(),
      static_cast<double>(away_ns) / 1e9);
  away_ns_ += away_ns;
  away_since_ns_ = 0;
  told_ns_ = 0;
  reason_.clear();
}

}  // namespace tiderace
