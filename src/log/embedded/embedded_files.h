#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "log/embedded/block_table.h"
#include "log/embedded/database.h"
#include "log/embedded/embedded_log.h"
#include "log/embedded/group_lock.h"
#include "log/embedded/wake_counter.h"

namespace tiderace {

/// One connection with its statements.
struct Connection {
  explicit Connection(DatabaseOptions options) : database(std::move(options)), table(database) {}
  Database database;
  BlockTable table;
};

/// What the consumers, producers and calls of one embedded log share: its directory, opened. Any thread.
///
///   DIR/log.db, -wal, -shm   records and offsets
///   DIR/wake                 the counter of commits
///   DIR/open.lock            held while a process opens the file
///   DIR/maintenance.lock     held by the process that does retention and compaction
///   DIR/groups/GROUP.lock    held by the process that consumes as GROUP
class EmbeddedFiles {
 public:
  /// Opens `directory`, made if absent.
  EmbeddedFiles(const std::string& directory, const EmbeddedOptions& options, Clock& clock);

  /// A connection of the caller's own. Throws Error{state} where log.db is another file by now.
  [[nodiscard]] std::unique_ptr<Connection> connect() const;
  /// Calls `use(Connection&)` with a connection that nobody else uses meanwhile.
  template <class Use>
  auto with_connection(const Use& use) {
    Lease lease(*this);
    lease.connection->database.check_in_place();
    return use(*lease.connection);
  }

  /// Topics are remembered: their settings never change.
  [[nodiscard]] std::optional<StoredTopic> find_topic(const std::string& name);
  /// As `find_topic`; a topic that does not exist throws Error{config}.
  [[nodiscard]] StoredTopic topic(const std::string& name);
  [[nodiscard]] std::int64_t partition_id(const TopicPartition& partition) {
    return topic(partition.topic).partition_id(partition.partition);
  }
  bool create_topic(const std::string& name, const TopicConfig& config);

  [[nodiscard]] const EmbeddedOptions& options() const noexcept { return options_; }
  [[nodiscard]] const std::string& directory() const noexcept { return directory_; }
  [[nodiscard]] Clock& clock() const noexcept { return clock_; }
  [[nodiscard]] WakeCounter& wake() noexcept { return *wake_; }
  [[nodiscard]] GroupLocks& groups() noexcept { return *groups_; }
  /// Held around write transactions: threads queue here rather than at the file, where waiting is sleeping.
  [[nodiscard]] std::mutex& write_mutex() noexcept { return write_mutex_; }

 private:
  struct Lease {
    explicit Lease(EmbeddedFiles& files);
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    ~Lease();
    EmbeddedFiles& files;
    std::unique_ptr<Connection> connection;
  };

  const std::string directory_;
  const EmbeddedOptions options_;
  Clock& clock_;
  std::pair<dev_t, ino_t> file_{};  ///< log.db, as it was opened
  std::unique_ptr<WakeCounter> wake_;
  std::unique_ptr<GroupLocks> groups_;
  std::mutex write_mutex_;
  std::mutex mutex_;  ///< guards what follows
  std::map<std::string, StoredTopic> topics_;
  std::vector<std::unique_ptr<Connection>> idle_;
};

}  // namespace tiderace
