#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "formats/json/fields.h"
#include "formats/json/number.h"

namespace tiderace::json {

/// Puts the values of one row into the columns of their fields: all but the plain numbers that the decoder
/// puts there itself. A field that is not read takes any value. `raw` is the text of the value, inside the
/// record that `begin` was given.
class RowValues {
 public:
  struct Fault {
    BadRowKind kind;
    std::string message;
  };

  void begin(std::size_t row, const char* record) noexcept {
    row_ = row;
    record_ = record;
    fault_.reset();
  }

  void number(Field& field, Number value, std::string_view raw);
  void string(Field& field, std::string_view raw, bool escaped);
  void literal(Field& field, std::string_view raw);
  /// An object or array. The children of an object's field are left alone, they have been read.
  void nested(Field& field, std::string_view raw);
  /// The field stands in its object once more, with the value `raw`: neither it nor what is below it has a
  /// value.
  void duplicate(Field& field, std::string_view raw);

  /// The first value that is not of the kind declared: the row is bad.
  [[nodiscard]] std::optional<Fault>& fault() noexcept { return fault_; }

 private:
  [[nodiscard]] std::size_t position(std::string_view raw) const noexcept {
    return static_cast<std::size_t>(raw.data() - record_);
  }
  bool accepts(Field& field, Kind kind, std::string_view raw);
  void not_an_object(Field& field, std::string_view raw);
  static void invalidate(Field& field, std::size_t row, BadRowKind kind, const std::string& message);

  std::size_t row_ = 0;
  const char* record_ = nullptr;
  std::optional<Fault> fault_;
  std::string unescaped_;
};

/// A value for a message: `the string "x"`, `the number 1.0`, `true`, `an object`; long ones are cut.
[[nodiscard]] std::string describe_value(std::string_view raw);

}  // namespace tiderace::json
