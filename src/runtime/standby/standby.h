#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "runtime/stage.h"

namespace tiderace {

/// The stores of an application that also keeps copies of state whose partitions other members own: a thread
/// follows their changelogs, and whoever opens the store of such a partition gets the copy, which is at most
/// a commit behind. Any thread.
class Standby final : public StateStores {
 public:
  /// Over `stores`, for the stateful ones of `stages`; all outlive it, as does the log of `context`.
  Standby(const RuntimeContext& context, const std::vector<std::unique_ptr<Stage>>& stages,
          std::shared_ptr<StateStores> stores);
  ~Standby() override;

  std::unique_ptr<StateStore> open(const std::string& name) override;

 private:
  struct Copy {
    std::unique_ptr<StateStore> store;
    TopicPartition input;
    std::int64_t as_of_ms = 0;  ///< by the wall clock: it had all that was in the changelog then
    std::int64_t most_age_ms = 0;
  };

  void run();
  /// Takes up and lets go of copies as the members of the group have it now.
  void follow_members();
  void open_copy(const TopicPartition& input);
  /// How far the copies are: to themselves, and to the metrics.
  void report();
  void apply(const Records& records);
  [[nodiscard]] bool is_stateful(const std::string& topic) const;

  const RuntimeContext& context_;
  const std::vector<std::unique_ptr<Stage>>& stages_;
  const std::shared_ptr<StateStores> stores_;
  const std::unique_ptr<Follower> follower_;
  std::mutex mutex_;                       ///< guards `copies_` and `changed_`
  std::map<TopicPartition, Copy> copies_;  ///< by changelog partition
  bool changed_ = false;                   ///< `copies_` are others than those that are followed
  std::atomic<bool> stop_ = false;
  std::thread thread_;
};

}  // namespace tiderace
