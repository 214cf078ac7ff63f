#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "columnar/batch.h"
#include "runtime/stage.h"

namespace tiderace {

/// Decides what happens to the bad rows of one task and sees to it: count, dead letter, or stop. One thread.
class BadRowPolicy {
 public:
  /// `producer` is null in a backtest: dead letters are only counted.
  BadRowPolicy(const RuntimeContext& context, const Stage& stage, Producer* producer);

  /// `record` is null where rows come from a table. Returns true if the application has to stop before this
  /// row.
  [[nodiscard]] bool stops_at(const BadRow& row, const Record* record);

 private:
  void write_dead_letter(const BadRow& row, const Record& record);

  const OnError& on_error_;
  std::string dead_letter_topic_;
  Producer* producer_;
};

}  // namespace tiderace
