#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <string_view>
#include <thread>
#include <vector>

#include "log/bounded_follower.h"
#include "models/model_versions.h"
#include "runtime/stage.h"

namespace tiderace {

/// Looks for new versions of one model while the object lives, on a thread of its own: every poll interval,
/// when it is asked to, and when the control topic tells of one; again after a pause where that fails. A
/// record of that topic has the model's name as its key and `{"version": "4"}` as its value, which goes
/// before what the registry says, until one that is `{}` or has no value. The last of each key counts, also
/// over restarts.
class ModelWatch {
 public:
  /// Reads the control topic, which exists, to its end first. `log` outlives the object. Throws
  /// Error{broker}.
  ModelWatch(Log& log, std::shared_ptr<ModelVersions> model);
  /// Ends calls of the registry that are under way.
  ~ModelWatch();
  ModelWatch(const ModelWatch&) = delete;
  ModelWatch& operator=(const ModelWatch&) = delete;

 private:
  void run();
  /// Waits for a record of the control topic that tells of a version, or for somebody who asks, but no longer
  /// than `longest`; whether there was one.
  bool wait(std::chrono::nanoseconds longest);
  void open_control(bool until_end);
  bool take(const std::vector<BoundedFollower::Run>& runs);
  bool take(const Record& record);

  Log& log_;
  const std::shared_ptr<ModelVersions> model_;
  std::map<TopicPartition, std::int64_t> positions_;  ///< of the control topic
  std::unique_ptr<BoundedFollower> control_;          ///< null: it has to be opened again
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

/// One for each model of `stages` that can change. Their counters begin anew. Throws Error{plan} where two
/// share the key of a control topic.
[[nodiscard]] std::vector<std::unique_ptr<ModelWatch>> watch_models(
    const RuntimeContext& context, const std::vector<std::unique_ptr<Stage>>& stages);

/// Ends calls of registries as soon as a run is to end, while the object lives: workers, and what is prepared
/// for them, may be waiting for those.
class RegistryInterrupt {
 public:
  RegistryInterrupt(std::vector<std::shared_ptr<ModelVersions>> models, const std::atomic<bool>& stop);
  ~RegistryInterrupt();
  RegistryInterrupt(const RegistryInterrupt&) = delete;
  RegistryInterrupt& operator=(const RegistryInterrupt&) = delete;

  /// The run ends by itself. Any thread.
  void begin();

 private:
  const std::vector<std::shared_ptr<ModelVersions>> models_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool begun_ = false;
  std::thread thread_;
};

/// The models of `stages` that have versions, each once.
[[nodiscard]] std::vector<std::shared_ptr<ModelVersions>> models_of(
    const std::vector<std::unique_ptr<Stage>>& stages);

}  // namespace tiderace
