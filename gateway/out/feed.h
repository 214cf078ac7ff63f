#pragma once

#include <tiderace/application.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "gateway/config.h"
#include "gateway/out/subscription.h"

namespace tiderace::gateway {

/// How often a feed looks after what does not come by itself.
struct FeedTimes {
  std::chrono::nanoseconds between_looks = std::chrono::seconds(1);  ///< at its readers
  int looks_until_forgotten = 60;  ///< in a row that found nobody: then nothing is fetched or kept
  std::chrono::nanoseconds between_looks_for_partitions = std::chrono::seconds(10);  ///< that were added
};

struct FeedCounters {
  std::atomic<std::uint64_t> records{0};      ///< read of the log for those who are up to date
  std::atomic<std::uint64_t> catching_up{0};  ///< readers at present
  std::atomic<bool> following{false};         ///< whether the log is followed for them
};

/// Brings records to readers. One thread follows the log for all who are up to date, and keeps the last
/// megabytes of it. Another brings up to date who is not: out of what is kept, or by reading the log from
/// where it is, no faster than it takes.
class Feed {
 public:
  Feed(Application& application, const Config& config, const FeedTimes& times = {});
  ~Feed();
  /// Ends: nothing is delivered any more.
  void end();

  /// Begins to deliver; `Subscription::begin` tells where. Any thread.
  void subscribe(std::shared_ptr<Subscription> subscription);
  /// Ends it. Any thread.
  void unsubscribe(const std::shared_ptr<Subscription>& subscription);
  [[nodiscard]] const FeedCounters& counters() const noexcept { return counters_; }

 private:
  using Readers = std::vector<std::shared_ptr<Subscription>>;
  /// Those who are up to date, of one topic.
  struct Live {
    Readers all_keys;
    std::unordered_map<std::string, Readers> by_key;
  };
  /// One who is not.
  struct Behind {
    std::shared_ptr<Subscription> subscription;
    Positions next;
    std::optional<TopicReader> reader = {};
    std::chrono::steady_clock::time_point reads_since = {};  ///< when `reader` was made
    std::deque<PiecePtr> pending = {};                       ///< before `next`, and not delivered yet
    bool failed = false;                                     ///< and that was logged
    bool is_live = false;                                    ///< it is up to date
  };

  /// What is kept of a partition.
  struct Kept {
    std::int64_t from = 0;        ///< every record from there on is kept
    std::deque<PiecePtr> pieces;  ///< in the order of offsets
  };
  using Clock = std::chrono::steady_clock;

  void follow();
  void follow_once(std::optional<TopicReader>& reader);
  [[nodiscard]] TopicReader make_reader();
  void look_at_readers();
  /// Whether nobody has read for a while: then nothing is fetched or kept.
  bool forget_all();
  void catch_up();
  /// Readers of the log go round.
  static void give_turns(std::deque<Behind>& here);
  /// Finds partitions that were added.
  void look_for_partitions();
  /// Reads on for one; false once it is up to date or gone. `may_read`: the log, a reader of its own.
  bool advance(Behind& behind, bool may_read);
  void read_log(Behind& behind);
  /// With the lock: where it begins; nullopt: it is ahead of the log as far as is known.
  [[nodiscard]] std::optional<Positions> beginning_of(const ReadRequest& request, bool insists) const;
  /// With the lock: whether what is kept reaches back to where it is. Takes from there into `pending`; if
  /// that is all, it is one of those who are up to date, who must not be delivered to before `pending` is.
  bool take_kept(Behind& behind);
  /// With the lock: it is none of those who are up to date.
  void take_out(const std::shared_ptr<Subscription>& subscription);
  /// With the lock: delivers to those who are up to date; who has no room for it is so no more.
  void deliver(const PiecePtr& piece);
  void make_live(const std::shared_ptr<Subscription>& subscription);
  void take_newcomers();
  void keep(PiecePtr piece);
  void publish(const std::vector<TopicRecord>& records);
  [[nodiscard]] static PiecePtr piece_of(const TopicRecord& record);

  Application& application_;
  const Config& config_;
  const FeedTimes times_;
  std::mutex mutex_;  ///< guards what follows, up to the counters
  std::condition_variable changed_;
  bool ending_ = false;
  struct Newcomer {
    std::shared_ptr<Subscription> subscription;
    Clock::time_point came;
  };
  std::vector<Newcomer> newcomers_;
  std::set<std::shared_ptr<Subscription>> all_;
  std::deque<Behind> behind_;
  std::map<std::string, Live, std::less<>> live_;
  Positions next_;        ///< of all partitions: where those who are up to date are; empty: nobody asked yet
  int unread_looks_ = 0;  ///< in a row that found nobody who reads
  bool partitions_were_added_ = false;
  std::map<std::pair<std::string, std::int32_t>, Kept> kept_;  ///< of all partitions
  std::deque<Kept*> kept_order_;                               ///< of each kept piece, the oldest first
  std::size_t kept_bytes_ = 0;

  FeedCounters counters_;
  std::thread follower_;  // last: they use the others
  std::thread catcher_;
};

}  // namespace tiderace::gateway
