#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "columnar/arrow_abi.h"
#include "columnar/batch.h"
#include "columnar/column.h"

namespace tiderace {

/// A table in Arrow memory, as another library handed it over. Its chunks are kept as they are; columns are
/// made of the rows that are asked for, when they are asked for. Immutable; any thread. Each structure is
/// released exactly once.
///
/// Kinds: bool; ints as int64 (a uint64 beyond int64 is Kind::invalid, range); half, float and double as
/// float64 (NaN is null); utf8, large_utf8 and string views as string; binary of every form as bytes;
/// timestamps, dates, times and durations as int64 of their own unit; dictionaries as their values; the null
/// type as null; lists and structs as nested JSON text.
class ArrowTable {
 public:
  struct Field {
    std::string name;
    std::string
        format;  ///< of the Arrow C data interface, for example `tsu:UTC`; of the values of a dictionary
  };

  /// Takes over `stream` and reads it to its end; it is released here also when this throws. Throws
  /// Error{plan} with the producer's message if it fails, if its type is no struct, or if two columns have
  /// one name.
  explicit ArrowTable(ArrowArrayStream* stream);
  /// Takes over one struct array and its schema.
  ArrowTable(ArrowSchema* schema, ArrowArray* array);
  ~ArrowTable();
  ArrowTable(ArrowTable&&) noexcept;

  [[nodiscard]] std::size_t num_rows() const noexcept;
  [[nodiscard]] const std::vector<Field>& fields() const noexcept;
  /// Whether there is a column `path[0]` with structs inside it as deep as `path` goes.
  [[nodiscard]] bool has(std::span<const std::string> path) const;
  /// Rows [begin, begin + size) of the column at `path`; a null struct has null inside it. Throws Error{plan}
  /// that names the column and its type if there is no such column or its type cannot be read.
  [[nodiscard]] Column column(std::span<const std::string> path, std::size_t begin, std::size_t size) const;
  [[nodiscard]] Column column(const std::string& name) const { return column({&name, 1}, 0, num_rows()); }

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// How long one unit of a timestamp or date type is; nothing for another `format`.
[[nodiscard]] std::optional<std::int64_t> arrow_unit_ns(std::string_view format) noexcept;

}  // namespace tiderace
