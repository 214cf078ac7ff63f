#pragma once

#include <memory>
#include <string>
#include <vector>

#include "formats/json/decoder.h"
#include "formats/json/encoder.h"
#include "operators/lower.h"
#include "plan/sink.h"

namespace tiderace {

/// `sdf.sink(connector)`: hands the rows as they stand to the worker's writer of the sink. Rows that the sink
/// has already (below the offset that it told) are left out; rows that it cannot take are bad. Stateless.
[[nodiscard]] std::unique_ptr<Operator> make_sink(const ResolvedStep& step, const TaskResources& resources);

/// The rows of a layout as named columns: of a projection its own; of rows that pass through, all fields that
/// occur in the batch, in the order in which they were first met, and the columns that were set. One thread.
class RowColumns {
 public:
  explicit RowColumns(const RowLayout& layout);
  /// The columns of `batch`, as long as it. A value that nobody could use (Kind::invalid) is left in them.
  [[nodiscard]] std::vector<NamedColumn> read(const Batch& batch, RowErrors& errors);

 private:
  [[nodiscard]] std::shared_ptr<const Records> documents(const Batch& batch, RowErrors& errors);
  void learn(const Records& records);
  [[nodiscard]] bool is_set(const std::string& name) const;

  RowLayout layout_;
  bool untouched_;  ///< the rows are the raw rows
  JsonEncoder encoder_;
  EncodedRows encoded_;
  std::vector<std::string> names_;  ///< of the fields seen so far
  std::unique_ptr<JsonDecoder> decoder_;
};

}  // namespace tiderace
