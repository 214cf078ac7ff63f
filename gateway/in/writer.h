#pragma once

#include <tiderace/application.h>

#include <array>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <variant>
#include <vector>

#include "base/logging.h"
#include "gateway/config.h"
#include "gateway/in/message.h"
#include "gateway/in/sequences.h"

namespace tiderace::gateway {

/// Seconds by upper bound, as Prometheus has histograms. One thread notes, any reads.
struct LatencyBuckets {
  static constexpr std::array<double, 10> bounds = {0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1};
  std::array<std::atomic<std::uint64_t>, bounds.size() + 1> counts{};  ///< the last one: beyond all bounds
  std::atomic<double> sum{0};
  void note(double seconds) noexcept;
};

struct WriterCounters {
  LatencyBuckets stored_seconds;             ///< from the arrival of a message until the log has it
  std::atomic<std::uint64_t> messages{0};    ///< stored
  std::atomic<std::uint64_t> rows{0};        ///< stored
  std::atomic<std::uint64_t> duplicates{0};  ///< messages that were stored already
  std::atomic<std::uint64_t> refused{0};     ///< messages
  std::atomic<std::uint64_t> commits{0};
  std::atomic<std::uint64_t> failures{0};     ///< of the log
  std::atomic<std::uint64_t> fenced{0};       ///< times that another gateway had the id meanwhile
  std::atomic<std::uint64_t> sessions{0};     ///< known at present
  std::atomic<std::uint64_t> turned_away{0};  ///< messages and positions that came while too much waited
};

/// Why a session is not told where it is.
enum class NoAnswer : std::uint8_t { too_much_waits, too_many_sessions };
/// As the client is told.
[[nodiscard]] std::string_view text_of(NoAnswer why) noexcept;

/// Puts messages into the log, from a thread of its own: what has come while one transaction was made is the
/// next. A message is told of once its transaction is made; what sessions have sent before is recognised by
/// the sequences that are stored in the same transactions. Where the log fails, what was under way is held
/// against what the topic of sequences says, and tried again for as long as it takes.
class Writer {
 public:
  /// `open_sessions`: of the sockets that there are; called on the writer's thread.
  Writer(Application& application, const Config& config,
         std::function<std::vector<std::string>()> open_sessions);
  ~Writer();

  enum class Offer : std::uint8_t {
    taken,
    full,    ///< `message` is as it was; see `hold`
    ending,  ///< it takes nothing more
  };
  /// A message that its sender keeps until there is room: counted, and told of room, for as long as this
  /// lives.
  class Hold {
   public:
    Hold(Writer& writer, std::uint64_t number, std::size_t bytes)
        : writer_(writer), number_(number), bytes_(bytes) {}
    ~Hold() { writer_.let_go(number_, bytes_); }
    Hold(const Hold&) = delete;
    Hold& operator=(const Hold&) = delete;

   private:
    Writer& writer_;
    const std::uint64_t number_;
    const std::size_t bytes_;
  };
  template <class T>
  using Told = std::function<void(std::variant<T, NoAnswer>)>;

  /// Takes a message if there is room. Any thread.
  [[nodiscard]] Offer offer(Message& message);
  /// Leave to keep a message for which there is no room; null where `queue_bytes` are kept so already. One
  /// message may always be kept. `room` is called on the writer's thread when it is worth to offer the
  /// message again; there may have been room since it was offered last, so it has to be offered once at
  /// first, too. Any thread.
  [[nodiscard]] std::unique_ptr<Hold> hold(const Message& message, std::function<void()> room);
  /// Calls `told` with how far a session is, behind all that was offered before, on the writer's thread, once
  /// it has the log; at once where too much waits. Any thread.
  void ask_progress(std::string session, Told<Sequences::Progress> told);
  void ask_position(std::string session, Told<std::string> told);
  /// Stores where a session is, in place of what waits to be stored for it; `refused` is called on the
  /// writer's thread where the session may not begin. False where `queue_bytes` of positions wait already:
  /// then what waited for the session still does. Any thread.
  [[nodiscard]] bool store_position(std::string session, std::string position,
                                    std::function<void(NoAnswer)> refused);
  /// Takes no more; returns when everything is told of, or `deadline` is over. Any thread.
  void drain(std::chrono::steady_clock::time_point deadline);

  /// Ends at once: what waits is told `ended`, and nothing is told afterwards.
  void end();

  /// Whether the log took, or would take, what there is.
  [[nodiscard]] bool healthy() const noexcept { return healthy_; }
  [[nodiscard]] const WriterCounters& counters() const noexcept { return counters_; }
  [[nodiscard]] std::size_t queued_bytes() const noexcept { return queued_bytes_; }
  /// Of messages that senders keep.
  [[nodiscard]] std::size_t held_bytes() const noexcept { return held_bytes_; }
  /// Of positions of sessions that are not stored yet.
  [[nodiscard]] std::size_t position_bytes() const noexcept { return position_bytes_; }

 private:
  struct AskProgress {
    std::string session;
    Told<Sequences::Progress> told;
  };
  struct AskPosition {
    std::string session;
    Told<std::string> told;
  };
  struct Position {
    std::string text;
    std::function<void(NoAnswer)> refused;
  };
  using Item = std::variant<Message, AskProgress, AskPosition>;
  /// What is to be told of a message when the transaction is made.
  struct Pending {
    Message* message;
    Outcome outcome;
    std::size_t records;  ///< of it in the transaction
  };

  /// About what it takes in memory, from being queued until it is told of.
  [[nodiscard]] static std::size_t bytes_of(const Item& item);
  void enqueue(Item item);
  /// Of a hold.
  void let_go(std::uint64_t number, std::size_t bytes);
  void run();
  /// Moves what waits into `batch_`; false at the end.
  bool wait_for_batch();
  /// Makes the id this writer's and reads how far sessions are.
  void begin();
  /// Says so if somebody else has stored under the id since this writer did.
  void look_for_another();
  /// Whether all of `batch_` is in the log; false where a message has to be left out first.
  bool store();
  [[nodiscard]] Outcome judge(const Message& message);
  [[nodiscard]] bool may_begin(const std::string& session) const;
  /// Counts a session of the batch under way, if it is new.
  void note_begun(const std::string& session);
  /// Leaves out the positions of sessions that may not begin, and tells them so.
  void refuse_positions();
  void produce(TransactionalProducer& producer, const Message& message);
  [[nodiscard]] bool produce_messages();
  /// Who asks, or sends what is not stored, is heard of, too: once half of `session_ttl` is over that is
  /// stored.
  void hear_of_sessions();
  void hear_of(const std::string& session, std::int64_t now);
  void produce_progress();
  void produce_renewed();
  /// What the log refused is one of several: fewer of them are tried, until it is found.
  void leave_out(const Error& refusal);
  /// Of what `attempt_` holds; `stored` is empty where nothing is known of offsets.
  void tell(const std::vector<RecordMetadata>& stored);
  void answer_questions();
  void forget_sessions();
  [[nodiscard]] std::int64_t ttl_ms() const;
  void finish_batch();
  void wait_after_failure(const std::exception& error);

  Application& application_;
  const Config& config_;
  const std::function<std::vector<std::string>()> open_sessions_;
  const std::string sequences_topic_;
  const std::uint64_t incarnation_;
  std::uint64_t attempts_ = 0;
  std::optional<TransactionalProducer> producer_;
  Sequences sequences_;
  std::vector<Item> batch_;
  std::size_t batch_bytes_ = 0;
  std::vector<Pending> attempt_;  ///< what the transaction under way has of `batch_`
  std::string attempt_name_;      ///< of a commit that is under way, or of which nothing is known; else empty
  std::map<std::string, Sequences::Progress> reached_;     ///< by the batch under way, of its sessions
  std::map<std::string, std::size_t, std::less<>> begun_;  ///< sessions that are new by it, by `w/SUBJECT`
  std::map<std::string, Position> positions_;              ///< of the batch under way, by session
  std::map<std::string, std::string> renewed_;  ///< by the batch under way: what is stored once more
  std::chrono::steady_clock::time_point next_forgetting_{};
  int failures_in_a_row_ = 0;
  LogPace fenced_pace_;

  std::mutex mutex_;  ///< guards those below, but for what is atomic
  std::condition_variable changed_;
  std::deque<Item> queue_;
  std::map<std::string, Position> waiting_positions_;             ///< the last one by session
  std::map<std::uint64_t, std::function<void()>> wait_for_room_;  ///< by the number of the hold
  std::uint64_t holds_ = 0;                                       ///< so far
  bool storing_positions_ = false;
  bool draining_ = false;
  bool ending_ = false;

  std::size_t storing_position_bytes_ = 0;  ///< of the batch under way

  std::atomic<std::size_t> queued_bytes_{0};
  std::atomic<std::size_t> held_bytes_{0};
  std::atomic<std::size_t> position_bytes_{0};
  std::atomic<bool> healthy_{false};
  WriterCounters counters_;
  std::thread thread_;  // last: it uses the others
};

}  // namespace tiderace::gateway
