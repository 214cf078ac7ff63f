#pragma once

#include <atomic>

namespace tiderace {

/// While one exists, SIGINT and SIGTERM set `stop` instead of what they did before; a second one within the
/// same run does what it did before, so that a function that hangs can still be ended. Any thread, any number
/// at a time (all are stopped); when the last one goes, the former handlers are back.
class StopSignals {
 public:
  /// `stop` must outlive the object. More than 64 at a time: those beyond are not told.
  explicit StopSignals(std::atomic<bool>& stop);
  ~StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

 private:
  std::atomic<bool>* stop_;
};

}  // namespace tiderace
