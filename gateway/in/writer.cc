#include "gateway/in/writer.h"

#include <fmt/format.h>
#include <tiderace/reader.h>

#include <algorithm>
#include <random>
#include <utility>

#include "base/error.h"
#include "base/logging.h"
#include "base/signals.h"

namespace tiderace::gateway {
namespace {

constexpr std::size_t most_batch_bytes = 8 << 20;
constexpr std::size_t item_bytes = 256;  // about what one takes beside its rows
constexpr std::chrono::milliseconds first_pause{50};
constexpr std::chrono::milliseconds longest_pause{2'000};
constexpr std::chrono::minutes between_forgetting{1};
constexpr std::size_t most_forgotten = 10'000;
const std::string batch_key = "batch";  // sessions have a slash

std::int64_t now_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

/// The ranges of records that stand one after the other, by partition.
std::vector<StoredRange> ranges_of(const RecordMetadata* first, std::size_t count) {
  std::vector<StoredRange> ranges;
  for (std::size_t i = 0; i < count; ++i) {
    const auto& [partition, offset] = first[i];
    const auto found = std::ranges::find(ranges, partition, &StoredRange::partition);
    if (found == ranges.end())
      ranges.push_back({partition, offset, offset});
    else
      found->last = offset;
  }
  return ranges;
}

}  // namespace

void LatencyBuckets::note(double seconds) noexcept {
  const auto bound = std::ranges::lower_bound(bounds, seconds);
  ++counts[static_cast<std::size_t>(bound - bounds.begin())];
  sum = sum + seconds;
}

std::string_view text_of(NoAnswer why) noexcept {
  return why == NoAnswer::too_much_waits ? "too much waits for the log; try again"
                                         : "there are too many sessions of this subject";
}

Writer::Writer(Application& application, const Config& config,
               std::function<std::vector<std::string>()> open_sessions)
    : application_(application),
      config_(config),
      open_sessions_(std::move(open_sessions)),
      sequences_topic_(config.id + "-sequences"),
      incarnation_((std::uint64_t{std::random_device()()} << 32) | std::random_device()()),
      thread_([this] { run(); }) {}

Writer::~Writer() {
  end();
}

void Writer::end() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
  queue_.clear();
  batch_.clear();
  const std::lock_guard lock(mutex_);
  wait_for_room_.clear();
}

Writer::Offer Writer::offer(Message& message) {
  const std::size_t bytes = item_bytes + message.bytes;  // as `bytes_of`
  {
    const std::lock_guard lock(mutex_);
    if (draining_ || ending_) return Offer::ending;
    if (queued_bytes_ + bytes > config_.queue_bytes && queued_bytes_ > 0) return Offer::full;
    queued_bytes_ += bytes;
    queue_.emplace_back(std::move(message));
  }
  changed_.notify_one();
  return Offer::taken;
}

std::size_t Writer::bytes_of(const Item& item) {
  if (const auto* message = std::get_if<Message>(&item)) return item_bytes + message->bytes;
  return item_bytes;
}

std::unique_ptr<Writer::Hold> Writer::hold(const Message& message, std::function<void()> room) {
  const std::size_t bytes = item_bytes + message.bytes;
  const std::lock_guard lock(mutex_);
  if (held_bytes_ > 0 && held_bytes_ + bytes > config_.queue_bytes) {
    ++counters_.turned_away;
    return nullptr;
  }
  held_bytes_ += bytes;
  wait_for_room_.emplace(++holds_, std::move(room));
  return std::make_unique<Hold>(*this, holds_, bytes);
}

void Writer::let_go(std::uint64_t number, std::size_t bytes) {
  const std::lock_guard lock(mutex_);
  held_bytes_ -= bytes;
  wait_for_room_.erase(number);
}

void Writer::enqueue(Item item) {
  {
    const std::lock_guard lock(mutex_);
    queued_bytes_ += bytes_of(item);
    queue_.push_back(std::move(item));
  }
  changed_.notify_one();
}

void Writer::ask_progress(std::string session, Told<Sequences::Progress> told) {
  if (queued_bytes_ > config_.queue_bytes) return told(NoAnswer::too_much_waits);
  enqueue(AskProgress{std::move(session), std::move(told)});
}

void Writer::ask_position(std::string session, Told<std::string> told) {
  if (queued_bytes_ > config_.queue_bytes) return told(NoAnswer::too_much_waits);
  enqueue(AskPosition{std::move(session), std::move(told)});
}

bool Writer::store_position(std::string session, std::string position,
                            std::function<void(NoAnswer)> refused) {
  const std::size_t bytes = item_bytes + session.size() + position.size();
  {
    const std::lock_guard lock(mutex_);
    const auto waits = waiting_positions_.find(session);
    const std::size_t before =
        waits == waiting_positions_.end() ? 0 : item_bytes + session.size() + waits->second.text.size();
    const std::size_t others = position_bytes_ - before;
    if (others > 0 && others + bytes > config_.queue_bytes) {
      ++counters_.turned_away;
      return false;
    }
    position_bytes_ = others + bytes;
    waiting_positions_.insert_or_assign(std::move(session),
                                        Position{std::move(position), std::move(refused)});
  }
  changed_.notify_one();
  return true;
}

void Writer::drain(std::chrono::steady_clock::time_point deadline) {
  std::unique_lock lock(mutex_);
  draining_ = true;
  changed_.wait_until(lock, deadline, [this] {
    return queued_bytes_ == 0 && waiting_positions_.empty() && !storing_positions_;
  });
}

void Writer::run() {
  block_signals();
  while (wait_for_batch()) {
    try {
      if (!producer_) begin();
      while (!store()) {
      }
      answer_questions();
      healthy_ = true;
      failures_in_a_row_ = 0;
      finish_batch();
      forget_sessions();
    } catch (const std::exception& error) {
      wait_after_failure(error);
    }
  }
  const auto told_ended = [](Item& item) {
    if (auto* message = std::get_if<Message>(&item); message != nullptr && message->done)
      message->done({Outcome::Kind::ended});
  };
  std::ranges::for_each(batch_, told_ended);
  std::ranges::for_each(queue_, told_ended);
}

bool Writer::wait_for_batch() {
  std::unique_lock lock(mutex_);
  if (!batch_.empty() || !positions_.empty()) return !ending_;  // it failed, and is tried again
  // At first there is the log to be found, and how far sessions are.
  if (producer_)
    changed_.wait(lock, [this] { return ending_ || !queue_.empty() || !waiting_positions_.empty(); });
  if (ending_) return false;
  positions_.swap(waiting_positions_);
  storing_positions_ = !positions_.empty();
  storing_position_bytes_ = position_bytes_;  // none other wait
  while (!queue_.empty() && batch_bytes_ < most_batch_bytes) {
    batch_bytes_ += bytes_of(queue_.front());
    batch_.push_back(std::move(queue_.front()));
    queue_.pop_front();
  }
  return true;
}

void Writer::begin() {
  application_.create_topics();
  TransactionalProducer producer = application_.get_transactional_producer(config_.id);
  producer.init_transactions();
  sequences_.clear();
  TopicReader reader = application_.get_reader({sequences_topic_}, {.until_end = true});
  while (!reader.at_end()) {
    for (const TopicRecord& record : reader.poll(std::chrono::seconds(1))) sequences_.apply(record);
  }
  counters_.sessions = sequences_.size();
  look_for_another();
  producer_.emplace(std::move(producer));
}

void Writer::look_for_another() {
  const std::string& last = sequences_.attempt();
  if (counters_.commits == 0 || last.empty() || last.starts_with(fmt::format("{:016x}-", incarnation_)))
    return;
  ++counters_.fenced;
  const std::chrono::nanoseconds now = std::chrono::steady_clock::now().time_since_epoch();
  if (const std::uint64_t times = fenced_pace_.note(1, now.count()); times > 0)
    log(LogLevel::warning,
        "gateway: fenced, {} times: another gateway has the id \"{}\"; give each its own `id`", times,
        config_.id);
}

Outcome Writer::judge(const Message& message) {
  if (!message.session.empty()) {
    const auto found = reached_.find(message.session);
    if (found == reached_.end() && !may_begin(message.session)) return {Outcome::Kind::no_room};
    Sequences::Progress reached =
        found == reached_.end() ? sequences_.progress(message.session) : found->second;
    if (message.sequence > reached.sequence + 1)
      return {.kind = Outcome::Kind::missing, .sequence = reached.sequence};
    if (message.sequence <= reached.sequence) {
      if (!reached.has_refused(message.sequence)) return {Outcome::Kind::duplicate};
      return {.kind = Outcome::Kind::refused,
              .error = message.refusal.empty() ? "it was refused before" : message.refusal};
    }
    reached.sequence = message.sequence;
    if (!message.refusal.empty()) reached.refuse(message.sequence);
    if (found == reached_.end()) note_begun(message.session);
    reached_.insert_or_assign(message.session, std::move(reached));
  }
  if (!message.refusal.empty()) return {.kind = Outcome::Kind::refused, .error = message.refusal};
  return {};
}

bool Writer::may_begin(const std::string& session) const {
  if (sequences_.knows(session)) return true;
  const auto begun = begun_.find(subject_of(session));
  const std::size_t more = begun == begun_.end() ? 0 : begun->second;
  return sequences_.sessions_like(session) + more < config_.limits.sessions;
}

void Writer::note_begun(const std::string& session) {
  if (!sequences_.knows(session)) ++begun_[std::string(subject_of(session))];
}

void Writer::refuse_positions() {
  std::erase_if(positions_, [this](const auto& entry) {
    const auto& [session, position] = entry;
    if (may_begin(session)) {
      note_begun(session);
      return false;
    }
    ++counters_.turned_away;
    position.refused(NoAnswer::too_many_sessions);
    return true;
  });
}

void Writer::produce(TransactionalProducer& producer, const Message& message) {
  for (const MessageRow& row : message.rows) {
    auto headers = message.headers;
    headers.insert(headers.end(), row.headers.begin(), row.headers.end());
    producer.produce({.topic = message.topic,
                      .key = row.key,
                      .value = row.value,
                      .timestamp = row.timestamp,
                      .headers = std::move(headers)});
  }
}

bool Writer::store() {
  // A commit that threw may have been made nevertheless: then its name stands in the topic of sequences.
  if (const std::string name = std::exchange(attempt_name_, {});
      !name.empty() && sequences_.attempt() == name) {
    begun_.clear();  // it has been read
    tell({});
    return true;
  }
  attempt_.clear();
  reached_.clear();
  begun_.clear();
  refuse_positions();
  if (!produce_messages()) return false;
  hear_of_sessions();
  // Also where there is nothing to be stored, and only questions: who has lost the id must not answer them.
  if (batch_.empty() && positions_.empty()) return true;
  std::vector<RecordMetadata> stored;
  try {
    produce_progress();
    attempt_name_ = fmt::format("{:016x}-{}", incarnation_, ++attempts_);
    producer_->produce(
        {.topic = sequences_topic_, .key = batch_key, .value = Sequences::value_of_attempt(attempt_name_)});
    stored = producer_->commit();
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::config) throw;
    attempt_name_.clear();
    producer_->abort();
    leave_out(error);
    return false;
  }
  attempt_name_.clear();
  ++counters_.commits;
  const std::int64_t now = now_ms();
  for (const auto& [session, value] : renewed_) sequences_.set_stored(session, now);
  for (auto& [session, progress] : reached_) sequences_.set_progress(session, std::move(progress), now);
  for (auto& [session, position] : positions_)
    sequences_.set_position(session, std::move(position.text), now);
  begun_.clear();  // they are known now
  counters_.sessions = sequences_.size();
  tell(stored);
  return true;
}

void Writer::hear_of_sessions() {
  renewed_.clear();
  const std::int64_t now = now_ms();
  for (const Item& item : batch_)
    hear_of(std::visit([](const auto& each) -> const std::string& { return each.session; }, item), now);
}

void Writer::hear_of(const std::string& session, std::int64_t now) {
  if (auto value = sequences_.hear(session, now, now - ttl_ms() / 2))
    renewed_.insert_or_assign(session, std::move(*value));
}

void Writer::produce_renewed() {
  for (const auto& [session, value] : renewed_)
    producer_->produce({.topic = sequences_topic_, .key = session, .value = value});
}

void Writer::produce_progress() {
  produce_renewed();  // before what is new of the same sessions
  for (const auto& [session, progress] : reached_)
    producer_->produce({.topic = sequences_topic_, .key = session, .value = Sequences::value_of(progress)});
  for (const auto& [session, position] : positions_)
    producer_->produce(
        {.topic = sequences_topic_, .key = session, .value = Sequences::value_of_position(position.text)});
}

void Writer::leave_out(const Error& refusal) {
  std::vector<std::size_t> with_rows;
  for (std::size_t i = 0; i < batch_.size(); ++i) {
    const auto* message = std::get_if<Message>(&batch_[i]);
    if (message != nullptr && message->refusal.empty() && !message->rows.empty()) with_rows.push_back(i);
  }
  if (with_rows.size() == 1) {
    std::get<Message>(batch_[with_rows.front()]).refusal = refusal.what();
    return;
  }
  if (with_rows.empty() && positions_.empty()) throw Error(refusal);  // nothing of it is a client's
  if (with_rows.empty()) {
    log(LogLevel::error, "gateway: positions of {} sessions are not stored: {}", positions_.size(),
        refusal.what());
    positions_.clear();
    return;
  }
  const std::lock_guard lock(mutex_);
  for (const std::size_t middle = with_rows[with_rows.size() / 2]; batch_.size() > middle;
       batch_.pop_back()) {
    batch_bytes_ -= bytes_of(batch_.back());
    queue_.push_front(std::move(batch_.back()));
  }
}

bool Writer::produce_messages() {
  for (Item& item : batch_) {
    auto* message = std::get_if<Message>(&item);
    if (message == nullptr) continue;
    Outcome outcome = judge(*message);
    const bool stored = outcome.kind == Outcome::Kind::stored;
    try {
      if (stored) produce(*producer_, *message);
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::config) throw;
      // Such as a record over the topic's limit. Its neighbours are sent anew without it.
      message->refusal = error.what();
      producer_->abort();
      return false;
    }
    attempt_.push_back({message, std::move(outcome), stored ? message->rows.size() : 0});
  }
  return true;
}

void Writer::tell(const std::vector<RecordMetadata>& stored) {
  std::size_t next = 0;
  const auto now = std::chrono::steady_clock::now();
  for (auto& [message, outcome, records] : std::exchange(attempt_, {})) {
    if (records > 0 && !stored.empty()) outcome.offsets = ranges_of(stored.data() + next, records);
    next += records;
    switch (outcome.kind) {
      case Outcome::Kind::stored:
        ++counters_.messages;
        counters_.stored_seconds.note(std::chrono::duration<double>(now - message->received).count());
        counters_.rows += records;
        break;
      case Outcome::Kind::duplicate:
        ++counters_.duplicates;
        break;
      case Outcome::Kind::refused:
        ++counters_.refused;
        break;
      case Outcome::Kind::missing:
      case Outcome::Kind::no_room:
      case Outcome::Kind::ended:
        break;
    }
    if (message->done) std::exchange(message->done, {})(std::move(outcome));
  }
}

void Writer::answer_questions() {
  for (Item& item : batch_) {
    if (auto* progress = std::get_if<AskProgress>(&item)) {
      const auto told = std::exchange(progress->told, {});
      if (may_begin(progress->session))
        told(sequences_.progress(progress->session));
      else
        told(NoAnswer::too_many_sessions);
    } else if (auto* position = std::get_if<AskPosition>(&item)) {
      const auto told = std::exchange(position->told, {});
      if (may_begin(position->session))
        told(sequences_.position(position->session));
      else
        told(NoAnswer::too_many_sessions);
    }
  }
}

void Writer::forget_sessions() {
  const auto now = std::chrono::steady_clock::now();
  if (now < next_forgetting_) return;
  next_forgetting_ = now + std::min<std::chrono::nanoseconds>(between_forgetting, config_.session_ttl / 4);
  renewed_.clear();
  const std::int64_t heard = now_ms();
  for (const std::string& session : open_sessions_()) hear_of(session, heard);
  produce_renewed();
  const std::vector<std::string> forgotten = sequences_.forget(heard - ttl_ms(), most_forgotten);
  for (const std::string& session : forgotten)
    producer_->produce({.topic = sequences_topic_, .key = session, .value = std::nullopt});
  if (!forgotten.empty() || !renewed_.empty()) static_cast<void>(producer_->commit());
  for (const auto& [session, value] : renewed_) sequences_.set_stored(session, heard);
  counters_.sessions = sequences_.size();
}

std::int64_t Writer::ttl_ms() const {
  return std::chrono::duration_cast<std::chrono::milliseconds>(config_.session_ttl).count();
}

void Writer::finish_batch() {
  const std::size_t bytes = std::exchange(batch_bytes_, 0);
  batch_.clear();
  positions_.clear();
  std::vector<std::function<void()>> woken;  // in the order in which they began to wait
  {
    const std::lock_guard lock(mutex_);
    queued_bytes_ -= bytes;
    position_bytes_ -= std::exchange(storing_position_bytes_, 0);
    storing_positions_ = false;
    if (queued_bytes_ <= config_.queue_bytes / 2)
      for (const auto& [number, room] : wait_for_room_) woken.push_back(room);
  }
  changed_.notify_all();
  for (const auto& room : woken) room();
}

void Writer::wait_after_failure(const std::exception& error) {
  producer_.reset();
  healthy_ = false;
  ++counters_.failures;
  if (failures_in_a_row_++ == 0)
    log(LogLevel::warning, "gateway: the log takes nothing: {}; messages wait, and it is tried again",
        error.what());
  const auto pause = std::min(first_pause * (1 << std::min(failures_in_a_row_, 6)), longest_pause);
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, pause, [this] { return ending_; });
}

}  // namespace tiderace::gateway
