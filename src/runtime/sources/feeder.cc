#include "runtime/sources/feeder.h"

#include <algorithm>

#include "base/error.h"
#include "base/logging.h"

namespace tiderace {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds idle_poll{50};
constexpr milliseconds away_pause{500};
constexpr std::size_t commit_bytes = 4u << 20;
constexpr std::int64_t commit_ns = 100'000'000;
constexpr std::int64_t longest_sleep_ns = 50'000'000;  // how soon a stop is noticed
constexpr std::size_t send_rows = 4096;

}  // namespace

Feeder::Feeder(const Feed& feed, Log& log, std::atomic<bool>& stop, Clock& clock,
               std::function<void()> failed)
    : feed_(feed),
      log_(log),
      stop_(stop),
      clock_(clock),
      failed_(std::move(failed)),
      group_(feed.topic + "-source"),
      thread_([this] { work(); }) {}

Feeder::~Feeder() {
  quit_ = true;
  thread_.join();
}

void Feeder::work() {
  try {
    while (!done() && !stopped()) {
      try {
        serve();
      } catch (const CommitLost& lost) {
        log(LogLevel::warning, "{}: going back to row {}: {}", feed_.source->text(), position_, lost.what());
      } catch (const BrokerAway& away) {
        log(LogLevel::warning, "{}: waits for the log: {}", feed_.source->text(), away.what());
      }
      producer_.reset();
      consumer_.reset();
      if (!done() && !stopped()) std::this_thread::sleep_for(away_pause);
    }
  } catch (...) {
    producer_.reset();
    consumer_.reset();
    failed_();
  }
}

void Feeder::serve() {
  const auto info = log_.topic(feed_.topic);
  partitions_ = info ? info->config.num_partitions : 1;
  owner_ = false;
  ConsumerOptions reading;
  reading.group = group_;
  reading.stop = &stop_;
  consumer_ = log_.consumer(reading);
  ProducerOptions writing;
  writing.member = consumer_.get();
  writing.exactly_once = true;
  writing.stop = &stop_;
  consumer_->subscribe({feed_.topic});
  producer_ = log_.producer(writing);
  while (!done() && !stopped()) {
    const PollResult result = consumer_->poll(idle_poll);
    const TopicPartition first{feed_.topic, 0};
    owner_ =
        owner_ || std::find(result.assigned.begin(), result.assigned.end(), first) != result.assigned.end();
    if (!owner_ || !claim()) continue;
    feed();
  }
}

bool Feeder::claim() {
  const TopicPartition first{feed_.topic, 0};
  if (!log_.take_over(group_, first, producer_->identity(), stop_)) return false;
  const auto offsets = log_.group_offsets(group_);
  const auto found = offsets.find(first);
  position_ = found == offsets.end() ? 0 : found->second;
  sent_ = position_;
  const OffsetCommit claim{first, position_};
  return producer_->claim({&claim, 1});
}

void Feeder::look_at_group() {
  const PollResult result = consumer_->poll(milliseconds(0));
  const TopicPartition first{feed_.topic, 0};
  const auto holds = [&](const std::vector<TopicPartition>& partitions) {
    return std::find(partitions.begin(), partitions.end(), first) != partitions.end();
  };
  if (holds(result.lost)) throw CommitLost(Error(ErrorKind::broker, "the topic was given to another member"));
  if (!holds(result.revoked)) return;
  commit();  // still this member's until the next poll
  owner_ = false;
}

void Feeder::feed() {
  const std::unique_ptr<SourceReader> reader = feed_.source->open();
  if (position_ > 0)
    log(LogLevel::info, "{}: goes on behind {} rows that are in {}", feed_.source->text(), position_,
        feed_.topic);
  pace_begin_.reset();
  committed_ns_ = clock_.steady_ns();
  std::int64_t to_pass = position_;
  while (owner_ && !stopped()) {
    const auto rows = reader->next();
    if (!rows) {
      commit();
      done_.store(true, std::memory_order_release);
      log(LogLevel::info, "{}: all {} rows are in {}", feed_.source->text(), position_, feed_.topic);
      return;
    }
    auto begin = static_cast<std::size_t>(std::min(to_pass, static_cast<std::int64_t>(rows->size())));
    to_pass -= static_cast<std::int64_t>(begin);
    while (begin < rows->size() && owner_ && !stopped()) {
      const std::size_t end = due(*rows, begin);
      if (end > begin) send(*rows, begin, end);
      const bool waits = end < rows->size() && feed_.replay_speed;
      if (waits || sent_bytes_ >= commit_bytes || clock_.steady_ns() - committed_ns_ >= commit_ns) {
        commit();
        look_at_group();
      }
      begin = end;
    }
  }
  if (owner_) commit();
}

std::size_t Feeder::due(const SourceRows& rows, std::size_t begin) {
  const std::size_t most = std::min(rows.size(), begin + send_rows);
  if (!feed_.replay_speed) return most;
  const std::int64_t now = clock_.steady_ns();
  for (std::size_t i = begin; i < most; ++i) {
    const std::int64_t time_ms = rows.timestamps_ms[i];
    if (time_ms < 0) continue;  // goes with the row before it
    if (!pace_begin_) pace_begin_ = {now, time_ms};
    const double after_ms = static_cast<double>(time_ms - pace_begin_->second) / *feed_.replay_speed;
    const std::int64_t left_ns = pace_begin_->first + static_cast<std::int64_t>(after_ms * 1e6) - now;
    if (left_ns <= 0) continue;
    if (i == begin)
      std::this_thread::sleep_for(std::chrono::nanoseconds(std::min(left_ns, longest_sleep_ns)));
    return i;
  }
  return most;
}

void Feeder::send(const SourceRows& rows, std::size_t begin, std::size_t end) {
  std::vector<std::vector<ProducerRecord>> records(static_cast<std::size_t>(partitions_));
  for (std::size_t i = begin; i < end; ++i) {
    ProducerRecord record;
    if (rows.keys[i]) record.key = *rows.keys[i];
    record.value = rows.values[i];
    record.timestamp_ms = rows.timestamps_ms[i] >= 0 ? rows.timestamps_ms[i] : clock_.wall_ms();
    const auto partition =
        record.key ? partition_of(*record.key, partitions_)
                   : static_cast<std::int32_t>((sent_ + static_cast<std::int64_t>(i - begin)) % partitions_);
    records[static_cast<std::size_t>(partition)].push_back(record);
    sent_bytes_ += rows.values[i].size();
  }
  for (std::int32_t p = 0; p < partitions_; ++p) {
    const auto& part = records[static_cast<std::size_t>(p)];
    if (!part.empty()) producer_->send(feed_.topic, part, p);
  }
  sent_ += static_cast<std::int64_t>(end - begin);
}

void Feeder::commit() {
  committed_ns_ = clock_.steady_ns();
  if (sent_ == position_) return;
  const OffsetCommit offset{{feed_.topic, 0}, sent_};
  static_cast<void>(producer_->commit(group_, {&offset, 1}));
  position_ = sent_;
  sent_bytes_ = 0;
}

}  // namespace tiderace
