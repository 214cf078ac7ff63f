#pragma once

#include <tiderace/options.h>

#include <chrono>
#include <memory>
#include <string>

#include "base/clock.h"
#include "log/log.h"

namespace tiderace {

struct EmbeddedOptions {
  Durability durability = Durability::normal;
  /// How long `subscribe` waits for a group that another process holds.
  std::chrono::nanoseconds group_lock_timeout = std::chrono::seconds(10);
  /// How long a call waits for the lock of another process on the file.
  std::chrono::milliseconds busy_timeout = std::chrono::seconds(10);
  /// How often a waiting reader looks of its own accord. Commits wake it at once; this is for a process that
  /// was killed between its commit and the wake-up.
  std::chrono::milliseconds poll_interval = std::chrono::milliseconds(20);
  /// The write-ahead log is copied into the file from this size on ...
  std::int64_t checkpoint_bytes = 32 << 20;
  /// ... and from this size on producers wait for that.
  std::int64_t max_wal_bytes = 256 << 20;
  /// How often retention and compaction are looked at, if there were commits.
  std::chrono::milliseconds maintenance_interval = std::chrono::seconds(1);
  /// A partition of a compacted topic is compacted when so many bytes, and as many as were left by the last
  /// time, are new.
  std::int64_t min_compaction_bytes = 16 << 20;
  /// Tombstones stay so long, both by their timestamps (against the newest of the partition) and by the
  /// clock.
  std::chrono::milliseconds tombstone_retention{TopicConfig().deletions_kept_ms};
  /// The SQLite VFS to use: tests put in one that fails. Empty: SQLite's own.
  std::string vfs = {};
};

/// The log in the SQLite file `log.db` below `directory` (made if absent): see docs/guide/embedded-log.md.
/// Any number of processes may use one directory. A background thread, from the first producer on, copies the
/// write-ahead log into the file, drops what retention lets go, and compacts. `clock` must outlive the log.
///
/// A disk that fails for good in the middle of a commit is like a power cut in it: whoever opens the log
/// later finds the commit there as a whole, or not at all. Otherwise a commit that threw is never there.
std::unique_ptr<Log> embedded_log(const std::string& directory, EmbeddedOptions options = {},
                                  Clock& clock = system_clock());

/// Whether somebody has made the log in `directory`.
[[nodiscard]] bool embedded_log_exists(const std::string& directory);

}  // namespace tiderace
