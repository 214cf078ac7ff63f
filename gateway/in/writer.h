#pragma once

#include <tiderace/application.h>

#include <array>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <variant>
#include <vector>

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
  std::atomic<std::uint64_t> failures{0};  ///< of the log
  std::atomic<std::uint64_t> sessions{0};  ///< known at present
};

/// Puts messages into the log, from a thread of its own: what has come while one transaction was made is the
/// next. A message is told of once its transaction is made; what sessions have sent before is recognised by
/// the sequences that are stored in the same transactions. Where the log fails, what was under way is held
/// against what the topic of sequences says, and tried again for as long as it takes.
class Writer {
 public:
  /// `woken` is called, on the writer's thread, when there is room again for what was refused it.
  Writer(Application& application, const Config& config, std::function<void()> woken);
  ~Writer();

  /// Takes a message; false if there is no room for it or the writer ends, with `message` as it was: `woken`
  /// tells when to ask again. Any thread.
  [[nodiscard]] bool offer(Message& message);
  /// Calls `told` with the last stored sequence, or the position, of a session, behind all that was offered
  /// before. On the writer's thread, once it has the log. Any thread.
  void ask_sequence(std::string session, std::function<void(std::uint64_t)> told);
  void ask_position(std::string session, std::function<void(std::string)> told);
  void store_position(std::string session, std::string position);
  /// Takes no more; returns when everything is told of, or `deadline` is over. Any thread.
  void drain(std::chrono::steady_clock::time_point deadline);

  /// Ends at once: what waits is told `ended`, and nothing is told afterwards.
  void end();

  /// Whether the log took, or would take, what there is.
  [[nodiscard]] bool healthy() const noexcept { return healthy_; }
  [[nodiscard]] const WriterCounters& counters() const noexcept { return counters_; }
  [[nodiscard]] std::size_t queued_bytes() const noexcept { return queued_bytes_; }

 private:
  struct AskSequence {
    std::string session;
    std::function<void(std::uint64_t)> told;
  };
  struct AskPosition {
    std::string session;
    std::function<void(std::string)> told;
  };
  struct StorePosition {
    std::string session;
    std::string position;
  };
  using Item = std::variant<Message, AskSequence, AskPosition, StorePosition>;
  /// What is to be told of a message when the transaction is made.
  struct Pending {
    Message* message;
    Outcome outcome;
    std::size_t records;  ///< of it in the transaction
  };

  /// About what it takes in memory, from being queued until it is told of.
  [[nodiscard]] static std::size_t bytes_of(const Item& item);
  void enqueue(Item item);
  void run();
  /// Moves what waits into `batch_`; false at the end.
  bool wait_for_batch();
  /// Makes the id this writer's and reads how far sessions are.
  void begin();
  /// Whether all of `batch_` is in the log; false where a message has to be left out first.
  bool store();
  [[nodiscard]] Outcome judge(const Message& message);
  void produce(TransactionalProducer& producer, const Message& message);
  [[nodiscard]] bool produce_messages();
  /// Of what `attempt_` holds; `stored` is empty where nothing is known of offsets.
  void tell(const std::vector<RecordMetadata>& stored);
  void answer_questions();
  void forget_sessions();
  void finish_batch();
  void wait_after_failure(const std::exception& error);

  Application& application_;
  const Config& config_;
  const std::string sequences_topic_;
  const std::function<void()> woken_;
  std::optional<TransactionalProducer> producer_;
  Sequences sequences_;
  std::vector<Item> batch_;
  std::size_t batch_bytes_ = 0;
  std::vector<Pending> attempt_;  ///< what the transaction under way has of `batch_`
  std::uint64_t batch_number_ = 0;
  std::map<std::string, std::uint64_t> reached_;  ///< by the batch under way, of its sessions
  std::chrono::steady_clock::time_point next_forgetting_{};
  int failures_in_a_row_ = 0;

  std::mutex mutex_;  ///< guards the five below
  std::condition_variable changed_;
  std::deque<Item> queue_;
  bool refused_room_ = false;
  bool draining_ = false;
  bool ending_ = false;

  std::atomic<std::size_t> queued_bytes_{0};
  std::atomic<bool> healthy_{false};
  WriterCounters counters_;
  std::thread thread_;  // last: it uses the others
};

}  // namespace tiderace::gateway
