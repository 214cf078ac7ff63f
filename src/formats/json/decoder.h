#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "columnar/batch.h"

namespace tiderace {

/// A field that becomes a column. `path` has one name for a field of the record and more for one inside
/// nested objects.
struct JsonField {
  std::vector<std::string> path;
  Slot slot = no_slot;
  std::optional<Kind>
      declared;  ///< boolean, int64, float64 or string: another kind (but null) makes the row bad
};

struct JsonDecoderOptions {
  std::vector<JsonField> fields;
  std::vector<std::string>
      spans;  ///< top-level fields whose place in the row is wanted, in the order of `RawRows::spans`
  std::size_t slots = 0;  ///< the size of `Batch::columns`
  std::uint32_t max_record_bytes = 64u << 20;
  int max_depth = 1000;  ///< of nested objects and arrays; the record itself counts as 1
};

/// Bytes to columns. Checks all of every record (RFC 8259, UTF-8, one object, limits), converts only what is
/// read. Learns the shape of the records that it sees, for speed alone: the result for a record never depends
/// on others. One thread.
class JsonDecoder {
 public:
  explicit JsonDecoder(JsonDecoderOptions options);
  ~JsonDecoder();
  JsonDecoder(JsonDecoder&&) noexcept;

  /// A batch of the rows of `records` that are sound: `raw`, `rows` and the columns of the fields are set;
  /// the rest is left to the caller. Rows that are not are left out of the batch and added to `errors` (parse
  /// or too_large, or type where a declared kind is not met) under their index in `records->rows`, with a
  /// message that says what was found at which byte. In the columns, a field that is absent or `null` is
  /// null; a value that only an expression may object to (a number beyond int64 or double, a lone surrogate,
  /// a field that stands twice, a path through something that is not an object) is Kind::invalid.
  [[nodiscard]] Batch decode(std::shared_ptr<const Records> records, RowErrors& errors);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tiderace
