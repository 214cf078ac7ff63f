#pragma once

#include <memory>

#include "operators/lower.h"
#include "operators/model/version_headers.h"

namespace tiderace {

/// `sdf.to_topic(topic)`: writes the rows as they stand, under the input's key and headers (or the key of a
/// column) and with the event time as timestamp. A row that the topic would refuse is bad (too_large,
/// timestamp). Stateless.
[[nodiscard]] std::unique_ptr<Operator> make_to_topic(const ResolvedStep& step,
                                                      const TaskResources& resources);

/// Writes `batch` row by row to one topic; what `to_topic` and `on_late=topic` have in common. One thread.
class RowWriter {
 public:
  /// For the rows at `step`, with the versions of the models whose predictions are in them as headers.
  RowWriter(const std::string& topic, const ResolvedStep& step, const TaskResources& resources);
  /// `keys` may be null: the input's keys. Bad rows are added to `errors`, the others written.
  void write(const Batch& batch, const Column* keys, RowErrors& errors, StepReport& report);

 private:
  /// Whether the topic takes the record of `row`; what it would refuse is bad.
  [[nodiscard]] bool fits(const ProducerRecord& record, std::size_t row, std::int64_t now_ms,
                          RowErrors& errors) const;

  std::string topic_;
  VersionHeaders versions_;
  JsonEncoder encoder_;
  EncodedRows encoded_;
  Producer* producer_;
  Clock* clock_;
  TopicConfig limits_;
  std::vector<ProducerRecord> records_;
  std::vector<std::string> numbers_;
};

}  // namespace tiderace
