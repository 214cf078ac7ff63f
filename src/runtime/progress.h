#pragma once

#include <cstdint>
#include <string>

#include "base/clock.h"

namespace tiderace {

/// Tells a person how far a long piece of work is: a bar on standard error where that is a terminal, else a
/// log line (level info) every ten seconds. Silent for what is done within a second. One thread.
class Progress {
 public:
  /// `total` items of `what`, for example `restoring phone-data/0`; `shown` false: says nothing.
  Progress(std::string what, std::uint64_t total, Clock& clock, bool shown = true);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void reached(std::uint64_t done);

 private:
  void draw();

  std::string what_;
  std::uint64_t total_;
  Clock& clock_;
  bool shown_;
  bool terminal_;
  bool drawn_ = false;
  std::uint64_t done_ = 0;
  std::int64_t begin_ns_;
  std::int64_t next_ns_;
};

}  // namespace tiderace
