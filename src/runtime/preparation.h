#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "runtime/models/task_models.h"
#include "runtime/stage.h"

namespace tiderace {

/// What a task of a partition begins with.
struct Prepared {
  std::unique_ptr<StateStore> store;
  std::vector<RestoredModel> models;
  StartOffset start;             ///< of the input: as state has it, else the group
  std::int64_t end_offset = -1;  ///< of what is written, for runs until the end
};

/// What is done for a partition between its assignment and its first row: what its former owner has left open
/// is ended, its state restored, and the offsets are asked for. All of that waits for brokers and disks, so
/// it is done beside the partitions that run, on a thread of its own; where the log is in this process and no
/// registry is asked, at once.
class Preparation {
 public:
  /// For the member with `consumer`, whose producer is `identity`. All outlive it. `until_end`: its end is
  /// asked for, too.
  Preparation(const RuntimeContext& context, const Stage& stage, Consumer& consumer,
              const TopicPartition& partition, std::string identity, bool until_end);
  Preparation(const Preparation&) = delete;
  Preparation& operator=(const Preparation&) = delete;
  /// Waits for its end.
  ~Preparation();

  /// Whether it has ended, one way or another.
  [[nodiscard]] bool ended() const;
  /// Whether it waits for a registry, as it may for long.
  [[nodiscard]] bool asks_registry() const noexcept { return *asks_registry_; }
  /// Once, when it has ended: nullopt if it was cancelled. Throws what it threw: BrokerAway, ModelAway,
  /// Error.
  [[nodiscard]] std::optional<Prepared> take() { return result_.get(); }
  void cancel() noexcept { *cancelled_ = true; }

 private:
  std::shared_ptr<std::atomic<bool>> cancelled_ = std::make_shared<std::atomic<bool>>(false);
  std::shared_ptr<std::atomic<bool>> asks_registry_ = std::make_shared<std::atomic<bool>>(false);
  std::future<std::optional<Prepared>> result_;
};

}  // namespace tiderace
