#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "columnar/kind.h"

namespace tiderace {

/// What a column of a CSV file holds, learned field by field: the first of int64, float64, boolean and string
/// that all of its values are. Where all are integers and one is beyond int64 it is text, since a float64
/// would be another number.
class CsvKind {
 public:
  /// `line`: where the field is.
  void see(std::string_view field, std::size_t line);
  [[nodiscard]] Kind kind() const noexcept;
  /// Why it is text although all or most of its values are numbers; nothing where it is not.
  [[nodiscard]] std::optional<std::string> oddity() const;

 private:
  struct Other {
    std::size_t line = 0;
    std::string shown;
  };
  bool is_int64_ = true;
  bool has_fractions_ = false;  ///< numbers that are not written as integers
  bool is_boolean_ = true;
  std::size_t numbers_ = 0;
  std::size_t others_ = 0;
  Other first_other_;
  std::optional<Other> beyond_int64_;
};

/// Tells in the log of a column that is text for the sake of few values. `where`: its file, as a message
/// begins; `advice`: how it ends.
void log_csv_oddity(std::string_view where, std::string_view column, const CsvKind& kind,
                    std::string_view advice);

}  // namespace tiderace
