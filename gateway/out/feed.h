#pragma once

#include <tiderace/application.h>

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "gateway/config.h"
#include "gateway/out/subscription.h"

namespace tiderace::gateway {

struct FeedCounters {
  std::atomic<std::uint64_t> records{0};      ///< read of the log for those who are up to date
  std::atomic<std::uint64_t> catching_up{0};  ///< readers at present
};

/// Brings records to readers. One thread follows the log for all who are up to date, and keeps the last
/// megabytes of it. Another brings up to date who is not: out of what is kept, or by reading the log from
/// where it is, no faster than it takes.
class Feed {
 public:
  Feed(Application& application, const Config& config);
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
    std::deque<PiecePtr> pending = {};  ///< before `next`, and not delivered yet
    bool failed = false;                ///< and it was logged
    bool is_live = false;               ///< it is up to date
  };

  void follow();
  void follow_once(std::optional<TopicReader>& reader);
  void catch_up();
  /// Reads on for one; false once it is up to date or gone.
  bool advance(Behind& behind);
  /// With the lock: where it begins.
  [[nodiscard]] Positions beginning_of(const ReadRequest& request) const;
  /// With the lock: whether what is kept reaches back to where it is. Takes from there into `pending`; if
  /// that is all, it is one of those who are up to date, who must not be delivered to before `pending` is.
  bool take_kept(Behind& behind);
  void make_live(const std::shared_ptr<Subscription>& subscription);
  void take_newcomers();
  void publish(const std::vector<TopicRecord>& records);
  [[nodiscard]] static PiecePtr piece_of(const TopicRecord& record);

  Application& application_;
  const Config& config_;
  std::mutex mutex_;  ///< guards what follows, up to the counters
  std::condition_variable changed_;
  bool ending_ = false;
  Readers newcomers_;
  std::deque<Behind> behind_;
  std::map<std::string, Live, std::less<>> live_;
  Positions next_;  ///< of all partitions: where those who are up to date are; empty: nobody asked yet
  std::deque<PiecePtr> kept_;
  std::size_t kept_bytes_ = 0;
  Positions kept_from_;  ///< of all partitions: every record from there on is kept

  FeedCounters counters_;
  std::thread follower_;  // last: they use the others
  std::thread catcher_;
};

}  // namespace tiderace::gateway
