#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "log/log.h"
#include "plan/source_connector.h"

namespace tiderace {

/// A source of the application and its topic.
struct Feed {
  std::string topic;
  std::shared_ptr<SourceConnector> source;
  std::optional<double> replay_speed;  ///< times event time; nullopt: as fast as it goes
};

/// Brings the rows of a source into its topic, each once, on a thread of its own.
///
///     waiting for partition 0 ──> feeding ──> done
///              ^                    │
///              └── lost, went back ─┘
///
/// It is the member of a consumer group of its own, `<topic>-source`, and feeds while the group gives it
/// partition 0 of the topic: of several processes one does. How many rows are in the topic is that group's
/// offset of partition 0, committed in one transaction with the rows; so a restart, or the next owner, goes
/// on behind them.
class Feeder {
 public:
  /// `log`, `stop` and `clock` outlive it; `failed` is called on its thread with what ended it, in a handler.
  Feeder(const Feed& feed, Log& log, std::atomic<bool>& stop, Clock& clock, std::function<void()> failed);
  /// Waits for its end, which `stop` brings about.
  ~Feeder();
  Feeder(const Feeder&) = delete;
  Feeder& operator=(const Feeder&) = delete;

  [[nodiscard]] const std::string& topic() const noexcept { return feed_.topic; }
  /// All rows of the source are in the topic. Any thread.
  [[nodiscard]] bool done() const noexcept { return done_.load(std::memory_order_acquire); }

 private:
  void work();
  /// As a member of the group, until it is done or stopped.
  void serve();
  void feed();
  [[nodiscard]] bool claim();
  /// Counts the rows that are in the topic, where the log has forgotten; too few if it was stopped meanwhile.
  [[nodiscard]] std::int64_t rows_there();
  void send(const SourceRows& rows, std::size_t begin, std::size_t end);
  void commit();
  /// The first of the rows from `begin` on that is not due yet, all that are due before it.
  [[nodiscard]] std::size_t due(const SourceRows& rows, std::size_t begin);
  void look_at_group();
  /// Where row `row` of `rows`, the source's `number`th, goes.
  [[nodiscard]] std::int32_t partition_of_row(const SourceRows& rows, std::size_t row,
                                              std::int64_t number) const;
  /// The first `end` of `rows` are in the topic; `to_pass` behind them, too.
  void pass(const SourceRows& rows, std::size_t end, std::int64_t to_pass);
  /// Throws Error{config} if the rows that were passed are not those that are in the topic, as far as the
  /// last one of each partition tells.
  void check_passed() const;
  /// Reads those.
  void read_brought();
  /// The last record of a partition; nullopt if it cannot be read any more.
  [[nodiscard]] std::optional<Record> last_record(std::int32_t partition,
                                                  std::shared_ptr<const Records>& owner);
  [[nodiscard]] bool stopped() const noexcept { return stop_.load(std::memory_order_relaxed) || quit_; }

  const Feed feed_;
  Log& log_;
  std::atomic<bool>& stop_;
  Clock& clock_;
  const std::function<void()> failed_;
  const std::string group_;
  std::atomic<bool> quit_{false};
  std::atomic<bool> done_{false};
  std::unique_ptr<Consumer> consumer_;
  std::unique_ptr<Producer> producer_;
  std::int32_t partitions_ = 1;
  bool owner_ = false;
  std::int64_t position_ = 0;  ///< rows that are in the topic, committed
  std::int64_t sent_ = 0;      ///< the same with those that were sent since
  /// The last record of a partition. In which one a row is depends on how many there were when it came.
  struct Brought {
    std::optional<std::string> key;
    std::string value;
    std::size_t hash = 0;  ///< `difference_hash` of `value`
    bool passed = false;   ///< the source has such a row among those that were passed
  };
  std::vector<Brought> brought_;
  bool all_brought_ = true;     ///< no partition lost its records since
  bool last_passed_ = false;    ///< the last row that was passed is one of `brought_`
  std::string other_kinds_;     ///< of a row that is one of `brought_` but for those; empty: none
  std::size_t sent_bytes_ = 0;  ///< since the last commit
  std::int64_t committed_ns_ = 0;
  std::optional<std::pair<std::int64_t, std::int64_t>> pace_begin_;  ///< steady ns, and the ms of its row
  std::thread thread_;                                               // last: it uses the rest
};

}  // namespace tiderace
