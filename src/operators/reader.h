#pragma once

#include <memory>

#include "formats/json/decoder.h"
#include "operators/operator.h"
#include "operators/resolve/resolve.h"
#include "state/key_table.h"

namespace tiderace {

/// The first step of a stage: records to a batch with columns, event times and keys. One thread.
class RecordReader {
 public:
  /// `keys` may be null if the stage needs none.
  RecordReader(const ResolvedStage& stage, KeyTable* keys);
  /// The rows of `records` that can be read; the others are in `report`.
  [[nodiscard]] Batch read(std::shared_ptr<const Records> records, StepReport& report);

 private:
  void set_event_times(Batch& batch, StepReport& report) const;

  const ResolvedStage& stage_;
  KeyTable* keys_;
  JsonDecoder decoder_;
};

/// Makes `batch` consist of new raw rows: `values[i]` (JSON text of an object) in place of row i, read by
/// `decoder`. Rows that cannot be read leave and are added to `report` as of kind `kind`. Keys, headers,
/// times and offsets stay those of the input records.
void replace_raw_rows(Batch& batch, std::span<const std::string_view> values, BadRowKind kind,
                      JsonDecoder& decoder, StepReport& report);

/// The options of a decoder that reads `reads` for `stage`.
[[nodiscard]] JsonDecoderOptions decoder_options(const ResolvedStage& stage, std::size_t reads);

}  // namespace tiderace
