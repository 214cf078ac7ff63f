#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/clock.h"

namespace tiderace {

/// Where bars are drawn from now on, for a front end whose user looks elsewhere than at standard error (a
/// notebook). Before anything runs; empty: standard error, if it is a terminal.
void set_progress_output(std::function<void(std::string_view)> output);

/// Tells a person how far a long piece of work is: a bar on standard error where that is a terminal (and the
/// log is text), or where `set_progress_output` says, else a log line (level info) every ten seconds. Silent
/// for what is done within a second. One thread.
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
  void write(std::string_view text) const;

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
