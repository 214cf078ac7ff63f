#include "gateway/out/feed.h"

#include <algorithm>
#include <utility>

#include "base/logging.h"
#include "base/signals.h"

namespace tiderace::gateway {
namespace {

constexpr std::size_t most_kept_bytes = 16 << 20;
constexpr std::size_t ahead_bytes = 256'000;  // of one who is behind
constexpr std::chrono::milliseconds turn{50};
constexpr std::chrono::milliseconds turn_of_many{5};
constexpr std::chrono::milliseconds look_again{10};
constexpr std::chrono::milliseconds pause_after_failure{500};
constexpr std::chrono::seconds hearsay{1};  // that the log is said to be longer than it is
constexpr std::size_t most_log_readers = 16;
constexpr std::chrono::seconds longest_turn{2};  // of a reader of the log where others wait for one
constexpr std::size_t most_looked_at = 4096;     // pieces, while others wait for the lock

void erase(std::vector<std::shared_ptr<Subscription>>& readers,
           const std::shared_ptr<Subscription>& subscription) {
  readers.erase(std::remove(readers.begin(), readers.end(), subscription), readers.end());
}

}  // namespace

Feed::Feed(Application& application, const Config& config, const FeedTimes& times)
    : application_(application),
      config_(config),
      times_(times),
      follower_([this] { follow(); }),
      catcher_([this] { catch_up(); }) {}

Feed::~Feed() {
  end();
}

void Feed::end() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  changed_.notify_all();
  if (follower_.joinable()) follower_.join();
  if (catcher_.joinable()) catcher_.join();
}

void Feed::subscribe(std::shared_ptr<Subscription> subscription) {
  const std::lock_guard lock(mutex_);
  all_.insert(subscription);
  newcomers_.push_back({std::move(subscription), Clock::now()});
  changed_.notify_all();
}

void Feed::unsubscribe(const std::shared_ptr<Subscription>& subscription) {
  subscription->close();
  const std::lock_guard lock(mutex_);
  all_.erase(subscription);
  std::erase_if(newcomers_, [&](const Newcomer& each) { return each.subscription == subscription; });
  take_out(subscription);
}

void Feed::take_out(const std::shared_ptr<Subscription>& subscription) {
  for (const std::string& topic : subscription->request().topics) {
    Live& live = live_[topic];
    erase(live.all_keys, subscription);
    for (const std::string& key : subscription->request().keys) {
      const auto found = live.by_key.find(key);
      if (found == live.by_key.end()) continue;
      erase(found->second, subscription);
      if (found->second.empty()) live.by_key.erase(found);
    }
  }
}

void Feed::follow() {
  block_signals();
  std::optional<TopicReader> reader;
  bool failed = false;
  Clock::time_point next_look{};
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      // Nobody reads: nothing is fetched.
      changed_.wait(lock, [&] { return ending_ || reader || !newcomers_.empty(); });
      if (ending_) return;
    }
    if (const auto now = Clock::now(); now >= next_look) {
      next_look = now + times_.between_looks;
      look_at_readers();
      if (forget_all()) {
        reader.reset();
        counters_.following = false;
        continue;  // until somebody reads again
      }
    }
    try {
      follow_once(reader);
      failed = false;
    } catch (const std::exception& error) {
      if (!std::exchange(failed, true))
        log(LogLevel::warning, "gateway: readers wait, the log cannot be read: {}", error.what());
      reader.reset();
      std::unique_lock lock(mutex_);
      changed_.wait_for(lock, pause_after_failure, [this] { return ending_; });
    }
  }
}

void Feed::look_at_readers() {
  std::set<std::shared_ptr<Subscription>> all;
  {
    const std::lock_guard lock(mutex_);
    all = all_;
  }
  for (const auto& subscription : all) subscription->check(Clock::now());
}

bool Feed::forget_all() {
  const std::lock_guard lock(mutex_);
  unread_looks_ = all_.empty() ? unread_looks_ + 1 : 0;
  if (unread_looks_ < times_.looks_until_forgotten || next_.empty()) return false;
  unread_looks_ = 0;
  next_.clear();
  kept_order_.clear();
  kept_.clear();
  kept_bytes_ = 0;
  return true;
}

TopicReader Feed::make_reader() {
  std::vector<std::string> topics;
  for (const auto& [name, topic] : config_.topics) topics.push_back(name);
  // What of a partition came before it was found is read, too.
  const auto from = next_.empty() ? AutoOffsetReset::latest : AutoOffsetReset::earliest;
  TopicReader reader = application_.get_reader(topics, {.from = from, .offsets = next_});
  const std::lock_guard lock(mutex_);
  next_ = reader.positions();
  for (const auto& [partition, next] : next_) kept_.try_emplace(partition, Kept{next, {}});
  partitions_were_added_ = false;
  return reader;
}

void Feed::follow_once(std::optional<TopicReader>& reader) {
  bool renew = !reader;
  if (reader) {
    const std::lock_guard lock(mutex_);
    renew = partitions_were_added_;
  }
  if (renew) reader.emplace(make_reader());
  counters_.following = true;
  take_newcomers();
  const std::vector<TopicRecord> records = reader->poll(turn);
  if (!records.empty()) publish(records);
  const std::lock_guard lock(mutex_);
  next_ = reader->positions();
}

void Feed::take_newcomers() {
  const std::lock_guard lock(mutex_);
  for (Newcomer& newcomer : std::exchange(newcomers_, {})) {
    auto begin = beginning_of(newcomer.subscription->request(), Clock::now() - newcomer.came < hearsay);
    if (!begin) {
      newcomers_.push_back(std::move(newcomer));
      continue;
    }
    newcomer.subscription->begin(*begin);
    const bool up_to_date =
        std::ranges::all_of(*begin, [&](const auto& each) { return next_.at(each.first) == each.second; });
    if (up_to_date) {
      make_live(newcomer.subscription);
      continue;
    }
    behind_.push_back({std::move(newcomer.subscription), std::move(*begin)});
    ++counters_.catching_up;
    changed_.notify_all();
  }
}

std::optional<Positions> Feed::beginning_of(const ReadRequest& request, bool insists) const {
  Positions begin;
  for (const auto& [partition, next] : next_) {
    if (std::ranges::find(request.topics, partition.first) == request.topics.end()) continue;
    const auto asked = request.positions.find(partition);
    const bool earliest = request.from == ReadRequest::From::earliest;
    begin[partition] = asked != request.positions.end() ? asked->second : earliest ? 0 : next;
    if (begin[partition] <= next) continue;
    // One who was caught up may be ahead of those who follow, for a moment; else it was another log.
    if (insists) return std::nullopt;
    begin[partition] = next;
  }
  return begin;
}

bool Feed::take_kept(Behind& behind) {
  // Partitions that were added since: whoever follows the log has them from their beginning.
  for (const auto& [partition, next] : next_) {
    const auto& topics = behind.subscription->request().topics;
    if (std::ranges::find(topics, partition.first) == topics.end()) continue;
    if (behind.next.try_emplace(partition, 0).second) behind.reader.reset();
  }
  for (const auto& [partition, offset] : behind.next) {
    const auto kept = kept_.find(partition);
    if (kept == kept_.end()) partitions_were_added_ = true;
    if (kept == kept_.end() || offset < kept->second.from) return false;
  }
  std::size_t bytes = 0;
  std::size_t looked_at = 0;
  for (auto& [partition, next] : behind.next) {
    const std::deque<PiecePtr>& pieces = kept_.at(partition).pieces;
    auto at = std::ranges::lower_bound(pieces, next, {}, [](const PiecePtr& piece) { return piece->offset; });
    for (; at != pieces.end(); ++at) {
      if (bytes > ahead_bytes || ++looked_at > most_looked_at) return true;  // the rest comes next
      next = (*at)->offset + 1;
      if (!behind.subscription->wants(**at)) continue;
      bytes += (*at)->json.size();
      behind.pending.push_back(*at);
    }
  }
  // Delivered while those who publish wait, so that the order holds.
  for (; !behind.pending.empty(); behind.pending.pop_front()) {
    if (!behind.subscription->deliver(behind.pending.front())) return true;  // once it has taken what waits
  }
  behind.subscription->join(behind.next);  // its reader may have been ahead of those who follow
  make_live(behind.subscription);
  behind.is_live = true;
  return true;
}

void Feed::make_live(const std::shared_ptr<Subscription>& subscription) {
  if (subscription->closed()) return;
  const ReadRequest& request = subscription->request();
  for (const std::string& topic : request.topics) {
    Live& live = live_[topic];
    if (request.keys.empty()) live.all_keys.push_back(subscription);
    for (const std::string& key : request.keys) live.by_key[key].push_back(subscription);
  }
}

PiecePtr Feed::piece_of(const TopicRecord& record) {
  auto piece = std::make_shared<Piece>();
  piece->topic = record.topic;
  piece->partition = record.partition;
  piece->offset = record.offset;
  piece->has_key = record.key.has_value();
  if (record.key) piece->key = *record.key;
  append_json(piece->json, record);
  return piece;
}

void Feed::publish(const std::vector<TopicRecord>& records) {
  std::vector<PiecePtr> pieces;
  pieces.reserve(records.size());
  for (const TopicRecord& record : records) pieces.push_back(piece_of(record));
  counters_.records += records.size();
  const std::lock_guard lock(mutex_);
  for (PiecePtr& piece : pieces) {
    deliver(piece);
    next_[{piece->topic, piece->partition}] = piece->offset + 1;
    keep(std::move(piece));
  }
}

void Feed::deliver(const PiecePtr& piece) {
  Live& live = live_[piece->topic];
  Readers full;
  for (const auto& reader : live.all_keys) {
    if (reader->wants(*piece) && !reader->deliver(piece)) full.push_back(reader);
  }
  if (piece->has_key) {
    if (const auto found = live.by_key.find(piece->key); found != live.by_key.end())
      std::ranges::copy_if(found->second, std::back_inserter(full),
                           [&](const auto& reader) { return !reader->deliver(piece); });
  }
  // One commit may be more than may wait, for whoever keeps up, too: they get the rest as they take it.
  for (const auto& reader : full) {
    take_out(reader);
    Positions next;
    for (const auto& each : next_) {
      if (std::ranges::find(reader->request().topics, each.first.first) != reader->request().topics.end())
        next.insert(each);
    }
    behind_.push_back({reader, std::move(next)});
    ++counters_.catching_up;
  }
  if (!full.empty()) changed_.notify_all();
}

void Feed::keep(PiecePtr piece) {
  Kept& kept = kept_.try_emplace({piece->topic, piece->partition}, Kept{piece->offset, {}}).first->second;
  kept_bytes_ += piece->json.size();
  kept.pieces.push_back(std::move(piece));
  kept_order_.push_back(&kept);
  while (kept_bytes_ > most_kept_bytes) {
    Kept& oldest = *kept_order_.front();
    kept_bytes_ -= oldest.pieces.front()->json.size();
    oldest.from = oldest.pieces.front()->offset + 1;
    oldest.pieces.pop_front();
    kept_order_.pop_front();
  }
}

void Feed::look_for_partitions() {
  {
    const std::lock_guard lock(mutex_);
    if (next_.empty()) return;  // nobody has read yet
  }
  std::vector<std::string> topics;
  for (const auto& [name, topic] : config_.topics) topics.push_back(name);
  try {
    const std::size_t count = application_.get_reader(topics, {}).positions().size();
    const std::lock_guard lock(mutex_);
    partitions_were_added_ = partitions_were_added_ || count > next_.size();
  } catch (const std::exception& error) {
    log(LogLevel::debug, "gateway: {}", error.what());  // those who read the log say it
  }
}

void Feed::catch_up() {
  block_signals();
  std::deque<Behind> here;
  Clock::time_point next_look = Clock::now() + times_.between_looks_for_partitions;
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      changed_.wait_until(lock, next_look, [&] { return ending_ || !here.empty() || !behind_.empty(); });
      if (ending_) return;
      std::ranges::move(behind_, std::back_inserter(here));
      behind_.clear();
    }
    if (const auto now = Clock::now(); now >= next_look) {
      next_look = now + times_.between_looks_for_partitions;
      look_for_partitions();
    }
    bool moved = false;
    auto reading = static_cast<std::size_t>(
        std::ranges::count_if(here, [](const Behind& each) { return each.reader.has_value(); }));
    for (std::size_t left = here.size(); left > 0; --left) {
      Behind behind = std::move(here.front());
      here.pop_front();
      reading -= behind.reader ? 1 : 0;
      try {
        const Positions before = behind.next;
        const std::size_t pending = behind.pending.size();
        const bool goes_on = advance(behind, reading < most_log_readers);
        moved = moved || !goes_on || behind.next != before || behind.pending.size() != pending;
        reading += behind.reader ? 1 : 0;
        if (goes_on)
          here.push_back(std::move(behind));
        else
          --counters_.catching_up;
      } catch (const std::exception& error) {
        if (!std::exchange(behind.failed, true))
          log(LogLevel::warning, "gateway: a reader waits, the log cannot be read: {}", error.what());
        behind.reader.reset();
        here.push_back(std::move(behind));
      }
    }
    if (here.size() > most_log_readers) give_turns(here);
    if (moved) continue;
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, look_again, [this] { return ending_ || !behind_.empty(); });
  }
}

void Feed::give_turns(std::deque<Behind>& here) {
  const auto now = Clock::now();
  const auto is_over = [&](const Behind& each) {
    return each.reader && now - each.reads_since > longest_turn;
  };
  // Those that wait for a reader of the log come before those that had one.
  const auto over =
      std::stable_partition(here.begin(), here.end(), [&](const Behind& each) { return !is_over(each); });
  std::for_each(over, here.end(), [](Behind& each) { each.reader.reset(); });
}

bool Feed::advance(Behind& behind, bool may_read) {
  Subscription& subscription = *behind.subscription;
  if (subscription.closed() || subscription.too_slow()) return false;
  // No faster than it takes.
  while (!behind.pending.empty() && subscription.waiting_bytes() <= ahead_bytes &&
         subscription.deliver(behind.pending.front()))
    behind.pending.pop_front();
  if (!behind.pending.empty() || subscription.waiting_bytes() > ahead_bytes) return true;
  {
    const std::lock_guard lock(mutex_);
    if (take_kept(behind)) {
      behind.reader.reset();  // it has not read that
      return !behind.is_live;
    }
  }
  if (behind.reader || may_read) read_log(behind);
  return true;
}

void Feed::read_log(Behind& behind) {
  if (!behind.reader) {
    behind.reader.emplace(
        application_.get_reader(behind.subscription->request().topics, {.offsets = behind.next}));
    behind.reads_since = Clock::now();
  }
  for (const TopicRecord& record : behind.reader->poll(turn_of_many)) {
    PiecePtr piece = piece_of(record);
    if (behind.subscription->wants(*piece)) behind.pending.push_back(std::move(piece));
  }
  behind.next = behind.reader->positions();
  behind.failed = false;
}

}  // namespace tiderace::gateway
