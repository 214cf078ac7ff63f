#include "runtime/sources/feeder.h"

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "base/logging.h"
#include "runtime/sources/row_difference.h"

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
      } catch (const SourceStopped&) {
        // `stopped` says so
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
  reading.may_pause = true;
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
  position_ = found == offsets.end() ? rows_there() : found->second;
  if (stopped()) return false;
  sent_ = position_;
  const OffsetCommit claim{first, position_};
  return producer_->claim({&claim, 1});
}

std::int64_t Feeder::rows_there() {
  std::int64_t rows = 0;
  bool told = false;
  for (std::int32_t p = 0; p < partitions_; ++p) {
    const TopicPartition of{feed_.topic, p};
    const auto [first, end] = log_.decided_offsets(of);
    if (end > first && !std::exchange(told, true))
      log(LogLevel::warning, "{}: group {} has no offset any more; the rows that are in {} are counted",
          feed_.source->text(), group_, feed_.topic);
    if (first > 0) {
      throw_error(
          ErrorKind::config,
          "{}: how many of its rows are in {} is not known any more: group {} has no offset (Kafka "
          "forgets those of a group in which nobody was for offsets.retention.minutes), and the topic "
          "no longer has its first records; give it another name= to have its rows brought in anew",
          feed_.source->text(), feed_.topic, group_);
    }
    for (std::int64_t at = first; at < end && !stopped();) {
      const auto records = log_.read(of, at, commit_bytes);
      if (!records || records->rows.empty()) break;
      rows += static_cast<std::int64_t>(records->rows.size());
      at = records->rows.back().offset + 1;
    }
  }
  return rows;
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
  const std::unique_ptr<SourceReader> reader = feed_.source->open([this] { return stopped(); });
  if (position_ > 0)
    log(LogLevel::info, "{}: goes on behind {} rows that are in {}", feed_.source->text(), position_,
        feed_.topic);
  pace_begin_.reset();
  committed_ns_ = clock_.steady_ns();
  std::int64_t to_pass = position_;
  if (to_pass > 0) read_brought();
  while (owner_ && !stopped()) {
    const auto rows = reader->next();
    if (!rows && to_pass > 0) {
      throw_error(ErrorKind::config,
                  "{}: it has {} rows by now, and {} of it are in {}: it is shorter than it was, or another "
                  "one; give it another name= to have its rows brought in anew",
                  feed_.source->text(), position_ - to_pass, position_, feed_.topic);
    }
    if (!rows) {
      commit();
      done_.store(true, std::memory_order_release);
      log(LogLevel::info, "{}: all {} rows are in {}", feed_.source->text(), position_, feed_.topic);
      return;
    }
    auto begin = static_cast<std::size_t>(std::min(to_pass, static_cast<std::int64_t>(rows->size())));
    to_pass -= static_cast<std::int64_t>(begin);
    if (begin > 0) pass(*rows, begin, to_pass);
    if (begin > 0 && to_pass == 0) check_passed();
    if (begin == rows->size() && clock_.steady_ns() - committed_ns_ >= commit_ns) {
      committed_ns_ = clock_.steady_ns();
      look_at_group();
    }
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

std::int32_t Feeder::partition_of_row(const SourceRows& rows, std::size_t row, std::int64_t number) const {
  return rows.keys[row] ? partition_of(*rows.keys[row], partitions_)
                        : static_cast<std::int32_t>(number % partitions_);
}

std::optional<Record> Feeder::last_record(std::int32_t partition, std::shared_ptr<const Records>& owner) {
  const TopicPartition of{feed_.topic, partition};
  const auto [first, end] = log_.decided_offsets(of);
  // What stands last may be marks of transactions, or rows of one that was given up.
  for (std::int64_t back = 64; !owner; back *= 16) {
    const std::int64_t begin = std::max(first, end - back);
    for (std::int64_t at = begin; at < end;) {
      const auto records = log_.read(of, at, commit_bytes);
      if (!records || records->rows.empty()) break;
      owner = records;
      at = records->rows.back().offset + 1;
    }
    if (begin == first) break;
  }
  if (!owner) return std::nullopt;
  return owner->rows.back();
}

void Feeder::read_brought() {
  brought_.clear();
  all_brought_ = true;
  last_passed_ = false;
  other_kinds_.clear();
  for (std::int32_t p = 0; p < partitions_; ++p) {
    std::shared_ptr<const Records> owner;
    const auto record = last_record(p, owner);
    if (!record) {
      all_brought_ = all_brought_ && log_.offsets({feed_.topic, p}).first == 0;
      continue;
    }
    Brought& brought = brought_.emplace_back();
    if (record->key != nullptr) brought.key = std::string(record->key_view());
    brought.value = std::string(record->value_view());
    brought.hash = difference_hash(brought.value);
  }
}

void Feeder::pass(const SourceRows& rows, std::size_t end, std::int64_t to_pass) {
  for (std::size_t i = 0; i < end; ++i) {
    const bool is_last = to_pass == 0 && i + 1 == end;
    std::optional<std::size_t> hash;
    for (Brought& brought : brought_) {
      if ((brought.passed && !is_last) || rows.keys[i] != brought.key) continue;
      if (!hash) hash = difference_hash(rows.values[i]);
      if (*hash != brought.hash) continue;
      const RowDifference found = difference_of(brought.value, rows.values[i]);
      if (found.kind == RowDifference::Kind::other_kinds) other_kinds_ = found.first;
      if (found.kind != RowDifference::Kind::none) continue;
      brought.passed = true;
      last_passed_ = last_passed_ || is_last;
    }
  }
}

void Feeder::check_passed() const {
  const bool all =
      std::all_of(brought_.begin(), brought_.end(), [](const Brought& each) { return each.passed; });
  if (brought_.empty() || (all && (last_passed_ || !all_brought_))) return;
  if (!other_kinds_.empty()) {
    throw_error(
        ErrorKind::config,
        "{}: of its first {} rows some have values of other kinds than those that were brought into {}, as "
        "{} by now. The kind of a column goes by all of its values, also by those that came since: declare "
        "the kind that it had, schema={{\"column\": \"int64\"}}, or give the source another name= to have "
        "its rows brought in anew",
        feed_.source->text(), position_, feed_.topic, other_kinds_);
  }
  throw_error(
      ErrorKind::config,
      "{}: of its first {} rows some are others than were brought into {}: rows have changed, or a file "
      "came between, and some would come twice or never. Leave what is there as it is and add behind it, "
      "or give the source another name= to have its rows brought in anew",
      feed_.source->text(), position_, feed_.topic);
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
    const std::int32_t partition = partition_of_row(rows, i, sent_ + static_cast<std::int64_t>(i - begin));
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
