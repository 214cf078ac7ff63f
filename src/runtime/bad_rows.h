#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "columnar/batch.h"
#include "runtime/stage.h"

namespace tiderace {

/// A dead letter is at most this much larger than the record that it holds.
constexpr std::int64_t dead_letter_extra_bytes = 256 << 10;

/// Decides what happens to the bad rows of one task and sees to it: count, dead letter, or stop. One thread.
class BadRowPolicy {
 public:
  /// `producer` is null in a backtest: dead letters are only counted.
  BadRowPolicy(const RuntimeContext& context, const Stage& stage, Producer* producer);

  /// What the user wants done with `row`.
  [[nodiscard]] ErrorPolicy decide(const BadRow& row) const;
  /// Sends `record` to the dead-letter topic; in a backtest, nowhere.
  void write_dead_letter(const BadRow& row, const Record& record);

 private:
  const OnError& on_error_;
  std::string dead_letter_topic_;
  Producer* producer_;
};

}  // namespace tiderace
