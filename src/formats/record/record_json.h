#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "columnar/records.h"
#include "formats/json/decoder.h"

namespace tiderace {

/// Appends one record as JSON, as `RecordJson` writes it.
void append_record_json(std::string& out, std::string_view topic, std::int32_t partition,
                        const Record& record);

/// Records as JSON: `{"topic","partition","offset","timestamp","key","headers","value"}`, a line each.
class RecordJson {
 public:
  RecordJson();
  /// Looks which values of `records` are JSON; `append` is then called with rows of it.
  void begin(std::shared_ptr<const Records> records);
  /// Appends record `row` (without a line break). A key, a header's value or a value that cannot stand in
  /// JSON as it is comes as base64: `"key_base64"`, `{"base64": ...}`, `"value_base64"`.
  void append(std::size_t row, std::string& out);

 private:
  JsonDecoder decoder_;
  std::shared_ptr<const Records> records_;
  std::vector<char> is_json_;  ///< per row of `records_`
  std::string beginning_;      ///< what all records of `records_` begin with
};

}  // namespace tiderace
