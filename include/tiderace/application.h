#pragma once

#include <tiderace/dataframe.h>
#include <tiderace/export.h>
#include <tiderace/options.h>
#include <tiderace/producer.h>
#include <tiderace/reader.h>
#include <tiderace/source.h>
#include <tiderace/topic.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace TIDERACE_API tiderace {

/// When `Application::run` returns by itself; unset: when it is stopped.
struct RunOptions {
  /// At the end that each partition had when it was assigned, after a checkpoint. Transactions that were open
  /// by then are waited for.
  bool until_end = false;
  /// After so long without a new row.
  std::optional<std::chrono::nanoseconds> timeout = {};
  /// After so many rows read.
  std::optional<std::uint64_t> count = {};
};

struct ApplicationState;

/// A streaming application: its topics, its frames, and the engine that runs them in this process.
///
/// ```cpp
/// tr::Application app({.broker_address = "embedded:data", .consumer_group = "crash-detector"});
/// auto sdf = app.dataframe(app.topic("phone-data"));
/// sdf["total"] = sdf["x"].abs() + sdf["y"].abs();
/// sdf.to_topic(app.topic("alerts"));
/// app.run();
/// ```
///
/// *State*: below `state_dir`, restored from changelog topics where it is missing.
/// *Errors*: everything that is wrong with the options or the pipeline throws Error{config} or Error{plan}
/// where it is written. *Threads*: build from one thread; `stop` and `explain` may be called from any.
class Application {
 public:
  /// Contacts nothing. Throws Error{config} where an option is missing or out of range.
  explicit Application(ApplicationOptions options);
  ~Application();
  Application(Application&&) noexcept;
  Application& operator=(Application&&) noexcept;

  /// The topic of that name; asked for twice with the same options it is one topic, with others Error{plan}.
  TopicPtr topic(const std::string& name, TopicOptions options = {});
  /// All rows of `topic`.
  StreamingDataFrame dataframe(const TopicPtr& topic);
  /// All rows of a history: while the application runs, they are brought into a topic of their own,
  /// `<consumer_group>-<name of the source>`, each once over all restarts. A run until the end ends when all
  /// of them are there and processed. Throws Error{config} for options that cannot be, Error{plan} for
  /// another source of that name.
  StreamingDataFrame dataframe(const History& source, const ReplayOptions& options = {});

  /// Runs until SIGINT, SIGTERM, `stop()`, or what `options` say; ends with a checkpoint. Throws Error:
  /// `bad_row` after everything before the row is committed. One run at a time.
  Summary run(const RunOptions& options = {});
  /// Ends a run after a checkpoint. Any thread; without effect if nothing runs.
  void stop() noexcept;
  /// Of the last run or backtest.
  [[nodiscard]] Summary summary() const;
  /// The plan, and during or after a run what each step did. Any thread.
  [[nodiscard]] std::string explain() const;
  /// Creates the topics that `topic` has named, where they do not exist; `run` and producers do it for those
  /// they use. Throws Error{broker} if the log cannot be reached.
  void create_topics();
  /// Writes records to topics. Throws Error{broker} if the log cannot be reached.
  [[nodiscard]] TopicProducer get_producer();
  /// Writes records to topics in transactions, as `transactional_id`. Contacts nothing yet. Throws
  /// Error{config} for an empty id.
  [[nodiscard]] TransactionalProducer get_transactional_producer(const std::string& transactional_id);
  /// Reads the records of topics outside the group. Throws Error{broker} if the log cannot be reached,
  /// Error{config} for a topic that does not exist.
  [[nodiscard]] TopicReader get_reader(const std::vector<std::string>& topics,
                                       const ReaderOptions& options = {});

 private:
  friend struct ApplicationAccess;
  std::shared_ptr<ApplicationState> state_;
};

}  // namespace tiderace
