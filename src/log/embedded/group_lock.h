#pragma once

#include <atomic>
#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "log/embedded/file_lock.h"

namespace tiderace {

/// Sees to it that a consumer group has one process at a time, and a transactional id one producer. Any
/// thread.
class GroupLocks {
 public:
  /// Lock files are below `directory`, which exists.
  GroupLocks(std::string directory, std::chrono::nanoseconds timeout, Clock& clock);

  /// This process's claim to `group`, shared by all who ask and free when the last of them lets go. If
  /// another process has it: says so in the log, waits for at most the time-out, then throws Error{broker}
  /// that names the holder. Null if `stop` (which may be null) was set while it waited.
  [[nodiscard]] std::shared_ptr<const FileLock> acquire(const std::string& group,
                                                        const std::atomic<bool>* stop = nullptr);

  /// The claim of one producer to a transactional id, free when it lets go. If another process has it, waits
  /// as for a group; if another producer of this log has it, throws Error{broker} at once.
  [[nodiscard]] std::shared_ptr<const FileLock> acquire_id(const std::string& transactional_id);

  /// Who has `group`, this process or another; nullopt if nobody does.
  [[nodiscard]] std::optional<std::string> holder(const std::string& group);

 private:
  /// What is claimed, for messages, and what to do where it is taken.
  struct Claim {
    std::string what;
    std::string_view remedy;
  };
  [[nodiscard]] std::shared_ptr<const FileLock> take(const std::string& name, const Claim& claim,
                                                     const std::atomic<bool>* stop);
  [[nodiscard]] std::optional<FileLock> wait_for(const Claim& claim, const std::string& path,
                                                 const std::atomic<bool>* stop);

  const std::string directory_;
  const std::chrono::nanoseconds timeout_;
  Clock& clock_;
  std::mutex mutex_;
  std::map<std::string, std::weak_ptr<const FileLock>> held_;  ///< by the name of its lock file
};

/// The file name for `group`: letters, digits, `_` and `-` as they are, other bytes as %XX; a long name is
/// cut and told apart by its checksum.
[[nodiscard]] std::string lock_file_name(const std::string& group);

}  // namespace tiderace
