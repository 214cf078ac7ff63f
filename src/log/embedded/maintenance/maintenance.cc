#include "log/embedded/maintenance/maintenance.h"

#include <algorithm>

#include "base/error.h"
#include "base/logging.h"
#include "log/embedded/maintenance/compaction.h"
#include "log/embedded/maintenance/retention.h"

namespace tiderace {
namespace {

constexpr std::int64_t warning_interval_ns = 10'000'000'000;
constexpr std::chrono::nanoseconds longest_rest = std::chrono::milliseconds(50);

}  // namespace

Maintenance::Maintenance(EmbeddedFiles& files) : files_(files), thread_([this] { run(); }) {}

Maintenance::~Maintenance() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void Maintenance::note_commit(std::int64_t wal_bytes) {
  if (wal_bytes < files_.options().checkpoint_bytes) return;
  {
    const std::lock_guard lock(mutex_);
    if (checkpoint_wanted_) return;
    checkpoint_wanted_ = true;
  }
  changed_.notify_all();
}

void Maintenance::run() {
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      changed_.wait_for(lock, files_.options().maintenance_interval,
                        [this] { return stop_ || checkpoint_wanted_; });
      if (stop_) return;
    }
    try {
      work();
    } catch (const std::exception& error) {
      const std::int64_t now = files_.clock().steady_ns();
      if (last_warning_ns_ != 0 && now - last_warning_ns_ < warning_interval_ns) continue;
      last_warning_ns_ = now;
      log(LogLevel::warning, "embedded log {}: background work failed and is tried again: {}",
          files_.directory(), error.what());
    }
  }
}

void Maintenance::work() {
  if (connection_ == nullptr) connection_ = files_.connect();
  checkpoint_if_wanted();
  const std::uint32_t commits = files_.wake().value();
  if (commits == maintained_at_) return;
  if (!lock_) lock_ = FileLock::try_acquire(files_.directory() + "/maintenance.lock");
  if (!lock_) return;
  maintain_topics();
  maintained_at_ = commits;
}

void Maintenance::checkpoint_if_wanted() {
  {
    const std::lock_guard lock(mutex_);
    if (!checkpoint_wanted_) return;
    checkpoint_wanted_ = false;
  }
  connection_->database.checkpoint(false);
}

void Maintenance::maintain_topics() {
  for (const StoredTopic& topic : connection_->table.topics()) {
    const TopicConfig& config = topic.info.config;
    if (!config.compacted && config.retention_ms < 0 && config.retention_bytes < 0) continue;
    for (std::int32_t p = 0; p < config.num_partitions; ++p) maintain_partition(topic, p);
  }
}

void Maintenance::maintain_partition(const StoredTopic& topic, std::int32_t partition) {
  Retention retention(files_, *connection_, topic, partition);
  take_steps([&] { return retention.step(); });
  if (!topic.info.config.compacted) return;
  Compaction compaction(files_, *connection_, topic, partition);
  take_steps([&] { return compaction.step(); });
}

template <class Step>
void Maintenance::take_steps(const Step& step) {
  for (;;) {
    const auto before = std::chrono::steady_clock::now();
    if (!step()) return;
    const auto took = std::chrono::steady_clock::now() - before;
    if (!rest(std::min<std::chrono::nanoseconds>(3 * took, longest_rest))) return;
    checkpoint_if_wanted();
  }
}

bool Maintenance::rest(std::chrono::nanoseconds duration) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, duration, [this] { return stop_; });
  return !stop_;
}

}  // namespace tiderace
