#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

#include "log/embedded/embedded_files.h"
#include "log/embedded/file_lock.h"

namespace tiderace {

/// The background thread of one embedded log. It copies the write-ahead log into the file when that has
/// grown, so that commits need not wait for the disk; and, in one process of all that use the directory,
/// applies retention and compaction in small steps with pauses between them. What fails is logged and tried
/// again.
class Maintenance {
 public:
  /// Starts the thread. `files` must outlive it.
  explicit Maintenance(EmbeddedFiles& files);
  Maintenance(const Maintenance&) = delete;
  Maintenance& operator=(const Maintenance&) = delete;
  /// Ends it after the step that it is at.
  ~Maintenance();

  /// To be called after each commit, with the size of the write-ahead log. Any thread.
  void note_commit(std::int64_t wal_bytes);

 private:
  void run();
  void work();
  void checkpoint_if_wanted();
  void maintain_topics();
  void maintain_partition(const StoredTopic& topic, std::int32_t partition);
  /// Runs `step` until it returns false, resting after each as long as it took, three times over.
  template <class Step>
  void take_steps(const Step& step);
  /// Returns false if the thread is to end.
  bool rest(std::chrono::nanoseconds duration);

  EmbeddedFiles& files_;
  std::unique_ptr<Connection> connection_;  ///< the thread's own
  std::optional<FileLock> lock_;            ///< held from the first time that it was free
  std::uint32_t maintained_at_ = 0;         ///< the commit counter when topics were last looked at
  std::int64_t last_warning_ns_ = 0;

  std::mutex mutex_;  ///< guards what follows
  std::condition_variable changed_;
  bool stop_ = false;
  bool checkpoint_wanted_ = false;
  std::thread thread_;
};

}  // namespace tiderace
