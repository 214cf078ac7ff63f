#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "columnar/batch.h"

namespace tiderace {

/// What the row of a frame looks like, as a change of the raw row (`projected` false) or from columns alone.
struct RowLayout {
  static constexpr std::size_t no_span = SIZE_MAX;
  struct Field {
    std::string name;            ///< unescaped
    Slot slot = no_slot;         ///< where the value is
    std::size_t span = no_span;  ///< where the row may have it already (index into RawRows::spans): replaced
                                 ///< there, else appended
  };
  struct Renamed {
    std::size_t span = no_span;
    std::string name;
  };
  bool projected = false;  ///< written anew: exactly `fields`, in their order, absent values as null
  std::vector<Field> fields = {};
  std::vector<std::size_t> dropped = {};  ///< spans to take out
  std::vector<Renamed> renamed =
      {};  ///< spans whose name changes; their value stays unless `fields` names the same span
};

/// The rows of a batch as JSON text, back to back.
struct EncodedRows {
  std::string bytes;
  std::vector<std::size_t> ends;  ///< where row i ends; it begins where row i - 1 ends
  std::uint64_t not_finite = 0;   ///< infinities that were written as null
  [[nodiscard]] std::string_view row(std::size_t i) const noexcept {
    const std::size_t begin = i == 0 ? 0 : ends[i - 1];
    return std::string_view(bytes).substr(begin, ends[i] - begin);
  }
};

enum class NotFinite {
  as_null,
  as_word,  ///< `Infinity`, for functions in this process
  shown     ///< the same, for people: values that nobody could use keep their bytes
};

/// Columns to bytes. What a row's layout leaves alone keeps its own bytes. One thread.
class JsonEncoder {
 public:
  explicit JsonEncoder(RowLayout layout, NotFinite not_finite = NotFinite::as_null);

  /// Replaces the contents of `out` by the rows of `batch`. A value of Kind::invalid in a field keeps its own
  /// bytes where it has them and is not for a function (`as_word`), and otherwise adds the row to `errors`
  /// (its bytes are then undefined). A row that has a field to be replaced twice is bad (parse). After
  /// dropping and renaming, a new name may stand twice only if the input had it twice. So is one that has a
  /// field to be dropped or renamed twice. A field whose span is dropped as well is appended. A layout that
  /// is not projected needs the raw rows of the batch.
  void encode(const Batch& batch, EncodedRows& out, RowErrors& errors);

 private:
  static constexpr std::size_t no_field = SIZE_MAX;
  struct Change {  // of one span
    std::size_t span;
    bool dropped = false;
    std::string quoted_name;       // the new one; empty: it stays
    std::size_t field = no_field;  // that replaces the value
  };
  struct Placed {
    FieldSpan span;
    const Change* change;
  };

  [[nodiscard]] Change& change_of(std::size_t span);
  [[nodiscard]] bool bounded(const Batch& batch) const noexcept;
  void append_row(const Batch& batch, std::size_t i, bool bounded, EncodedRows& out, RowErrors& errors);
  [[nodiscard]] const FieldSpan* place(const RawRows& raw, std::size_t index);
  void splice(const Batch& batch, std::size_t i, EncodedRows& out, RowErrors& errors);
  void append_fields(const Batch& batch, std::size_t i, bool empty, EncodedRows& out, RowErrors& errors);
  void append_numbers(const Batch& batch, std::size_t i, bool empty, EncodedRows& out);
  void append_value(const Batch& batch, std::size_t i, std::size_t field, EncodedRows& out,
                    RowErrors& errors);

  RowLayout layout_;
  NotFinite not_finite_;
  std::vector<std::string> prefixes_;  // per field `,"name":`
  std::vector<Change> changes_;
  std::vector<bool> in_place_;  // per field: whether this row has its span
  std::vector<Placed> placed_;  // the changes that this row has a place for, in their order in the row
  std::string scratch_;
};

/// Appends `text` as a JSON string: the escapes that RFC 8259 requires and no others.
void append_json_string(std::string& out, std::string_view text);
/// Appends the shortest text that reads back as `value`, always recognisable as a float (`2.0`, `1e+300`);
/// `value` is finite.
void append_json_double(std::string& out, double value);
/// Appends row `i` of `column` as JSON: nested values as their own text, bytes as base64 string, null and
/// infinities as `null`.
void append_json_value(std::string& out, const Column& column, std::size_t i, NotFinite not_finite);

}  // namespace tiderace
