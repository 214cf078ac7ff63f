#include "gateway/out/feed.h"

#include <algorithm>
#include <csignal>
#include <utility>

#include "base/logging.h"

namespace tiderace::gateway {
namespace {

constexpr std::size_t most_kept_bytes = 16 << 20;
constexpr std::size_t ahead_bytes = 256'000;  // of one who is behind
constexpr std::chrono::milliseconds turn{50};
constexpr std::chrono::milliseconds turn_of_many{5};
constexpr std::chrono::milliseconds look_again{10};
constexpr std::chrono::milliseconds pause_after_failure{500};

void block_signals() {
  sigset_t all;  // they are for the main thread
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, nullptr);
}

void erase(std::vector<std::shared_ptr<Subscription>>& readers,
           const std::shared_ptr<Subscription>& subscription) {
  readers.erase(std::remove(readers.begin(), readers.end(), subscription), readers.end());
}

}  // namespace

Feed::Feed(Application& application, const Config& config)
    : application_(application),
      config_(config),
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
  newcomers_.push_back(std::move(subscription));
  changed_.notify_all();
}

void Feed::unsubscribe(const std::shared_ptr<Subscription>& subscription) {
  subscription->close();
  const std::lock_guard lock(mutex_);
  erase(newcomers_, subscription);
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
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      // Nobody reads: nothing is fetched.
      changed_.wait(lock, [&] { return ending_ || reader || !newcomers_.empty(); });
      if (ending_) return;
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

void Feed::follow_once(std::optional<TopicReader>& reader) {
  if (!reader) {
    std::vector<std::string> topics;
    for (const auto& [name, topic] : config_.topics) topics.push_back(name);
    ReaderOptions options{.from = AutoOffsetReset::latest, .offsets = next_};
    TopicReader made = application_.get_reader(topics, options);
    const std::lock_guard lock(mutex_);
    next_ = made.positions();
    if (kept_from_.empty()) kept_from_ = next_;
    reader.emplace(std::move(made));
  }
  take_newcomers();
  const std::vector<TopicRecord> records = reader->poll(turn);
  if (!records.empty()) publish(records);
  const std::lock_guard lock(mutex_);
  next_ = reader->positions();
}

void Feed::take_newcomers() {
  const std::lock_guard lock(mutex_);
  for (auto& subscription : std::exchange(newcomers_, {})) {
    Positions begin = beginning_of(subscription->request());
    subscription->begin(begin);
    behind_.push_back({std::move(subscription), std::move(begin)});
    ++counters_.catching_up;
    changed_.notify_all();
  }
}

Positions Feed::beginning_of(const ReadRequest& request) const {
  Positions begin;
  for (const auto& [partition, next] : next_) {
    if (std::ranges::find(request.topics, partition.first) == request.topics.end()) continue;
    const auto asked = request.positions.find(partition);
    const bool earliest = request.from == ReadRequest::From::earliest;
    begin[partition] = asked != request.positions.end() ? asked->second : earliest ? 0 : next;
  }
  return begin;
}

bool Feed::take_kept(Behind& behind) {
  for (const auto& [partition, offset] : behind.next) {
    if (offset < kept_from_.at(partition)) return false;
  }
  std::size_t bytes = 0;
  for (const PiecePtr& piece : kept_) {
    const auto next = behind.next.find({piece->topic, piece->partition});
    if (next == behind.next.end() || piece->offset < next->second) continue;
    if (bytes > ahead_bytes) return true;  // the rest comes next
    next->second = piece->offset + 1;
    if (!behind.subscription->wants(*piece)) continue;
    bytes += piece->json.size();
    behind.pending.push_back(piece);
  }
  // Delivered while those who publish wait, so that the order holds.
  for (const PiecePtr& piece : std::exchange(behind.pending, {})) behind.subscription->deliver(piece);
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
    Live& live = live_[piece->topic];
    for (const auto& reader : live.all_keys) {
      if (reader->wants(*piece)) reader->deliver(piece);
    }
    if (piece->has_key) {
      if (const auto found = live.by_key.find(piece->key); found != live.by_key.end())
        for (const auto& reader : found->second) reader->deliver(piece);
    }
    next_[{piece->topic, piece->partition}] = piece->offset + 1;
    kept_bytes_ += piece->json.size();
    kept_.push_back(std::move(piece));
  }
  while (kept_bytes_ > most_kept_bytes) {
    const Piece& oldest = *kept_.front();
    kept_bytes_ -= oldest.json.size();
    kept_from_[{oldest.topic, oldest.partition}] = oldest.offset + 1;
    kept_.pop_front();
  }
}

void Feed::catch_up() {
  block_signals();
  std::deque<Behind> here;
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] { return ending_ || !here.empty() || !behind_.empty(); });
      if (ending_) return;
      std::ranges::move(behind_, std::back_inserter(here));
      behind_.clear();
    }
    bool moved = false;
    for (std::size_t left = here.size(); left > 0; --left) {
      Behind behind = std::move(here.front());
      here.pop_front();
      try {
        const Positions before = behind.next;
        const std::size_t pending = behind.pending.size();
        const bool goes_on = advance(behind);
        moved = moved || !goes_on || behind.next != before || behind.pending.size() != pending;
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
    if (moved) continue;
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, look_again, [this] { return ending_ || !behind_.empty(); });
  }
}

bool Feed::advance(Behind& behind) {
  Subscription& subscription = *behind.subscription;
  if (subscription.closed()) return false;
  // No faster than it takes.
  while (!behind.pending.empty() && subscription.waiting_bytes() <= ahead_bytes) {
    subscription.deliver(behind.pending.front());
    behind.pending.pop_front();
  }
  if (!behind.pending.empty() || subscription.waiting_bytes() > ahead_bytes) return true;
  {
    const std::lock_guard lock(mutex_);
    if (take_kept(behind)) {
      behind.reader.reset();  // it has not read that
      return !behind.is_live;
    }
  }
  if (!behind.reader)
    behind.reader.emplace(application_.get_reader(subscription.request().topics, {.offsets = behind.next}));
  for (const TopicRecord& record : behind.reader->poll(turn_of_many)) {
    PiecePtr piece = piece_of(record);
    if (subscription.wants(*piece)) behind.pending.push_back(std::move(piece));
  }
  behind.next = behind.reader->positions();
  behind.failed = false;
  return true;
}

}  // namespace tiderace::gateway
