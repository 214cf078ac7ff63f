#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "columnar/batch.h"
#include "formats/json/decoder.h"

namespace tiderace::json {

/// A field of the record, or of an object inside it, that somebody wants to know of: one node of the tree
/// that the paths make.
struct Field {
  std::string name;
  std::string shown;             ///< the path for messages, for example `"gps"."lat"`
  std::vector<Field*> children;  ///< fields of its value that are wanted
  bool read = false;             ///< its value becomes a column
  std::optional<Kind> declared;  ///< only if read
  KindMask accepts = 0;     ///< kinds of scalars that go into the column as they are, without a further look
  std::vector<Slot> slots;  ///< of the column
  std::optional<std::size_t> span;

  // While a batch is decoded:
  std::optional<ColumnBuilder> builder;
  Kind* kinds = nullptr;  ///< of the builder; null if the field is not read
  std::uint64_t* values = nullptr;
  FieldSpan* spans = nullptr;  ///< null if nobody wants its place
  std::uint64_t met_in = 0;    ///< the number of the last record that has it
};

/// All wanted fields. Built once; the addresses of its nodes do not change.
class Fields {
 public:
  /// Throws Error{plan} for a path without names or one that is declared as two kinds.
  Fields(const std::vector<JsonField>& fields, const std::vector<std::string>& spans);

  [[nodiscard]] Field* top(std::string_view name) const noexcept { return child(root_, name); }
  [[nodiscard]] static Field* child(const Field& parent, std::string_view name) noexcept;

  /// Makes room for `rows` rows, all of them null, and for the places in `records` records, all of them
  /// absent.
  void begin(std::size_t rows, std::vector<std::vector<FieldSpan>>& spans, std::size_t records);
  /// Makes row `i` all null again.
  void clear(std::size_t i) noexcept;
  /// Hands the columns over, the first `rows` rows of them.
  void finish(std::size_t rows, std::vector<Column>& columns);

 private:
  Field& add(Field& parent, const std::string& name);

  Field root_;
  std::deque<Field> all_;
  std::size_t span_count_ = 0;
};

}  // namespace tiderace::json
