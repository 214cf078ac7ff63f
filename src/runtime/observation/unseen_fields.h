#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "columnar/batch.h"
#include "operators/resolve/resolve.h"

namespace tiderace {

/// Fields that a stage reads and no row has had a value in: a name that is misspelt gives nulls, which is no
/// error. Says so in the log, the same once a process. Those that the topic declares are meant. Any thread.
class UnseenFields {
 public:
  explicit UnseenFields(const ResolvedStage& stage);

  /// Rows as they were read. Says what is unseen once there were enough of them.
  void note(const Batch& batch);
  /// The run is over: says it however few there were.
  void end();

 private:
  struct Field {
    std::string name;
    Slot slot = no_slot;
    std::atomic<bool> seen = false;
  };
  void tell();

  std::string topic_;
  std::vector<std::unique_ptr<Field>> fields_;
  std::atomic<std::uint64_t> rows_ = 0;
  std::atomic<bool> over_ = false;  ///< all were seen, or it was said which were not
};

}  // namespace tiderace
