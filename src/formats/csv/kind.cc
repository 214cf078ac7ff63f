#include "formats/csv/kind.h"

#include <fmt/format.h>

#include "base/logging.h"
#include "columnar/describe.h"
#include "formats/csv/splitter.h"

namespace tiderace {
namespace {

/// Behind so many values that are no numbers, a column is text by intention.
constexpr std::size_t few = 100;

}  // namespace

void CsvKind::see(std::string_view field, std::size_t line) {
  if (is_csv_missing(field) || (others_ > few && !is_boolean_)) return;
  is_boolean_ = is_boolean_ && csv_boolean(field);
  const bool is_int64 = csv_int64(field).has_value();
  const bool is_number = is_int64 || (!is_csv_beyond_int64(field) && csv_float64(field));
  is_int64_ = is_int64_ && is_int64;
  is_float64_ = is_float64_ && is_number;
  if (is_number) {
    ++numbers_;
    return;
  }
  if (others_++ == 0) first_other_ = {line, quoted(shortened(field))};
}

Kind CsvKind::kind() const noexcept {
  if (is_int64_) return Kind::int64;
  if (is_float64_) return Kind::float64;
  return is_boolean_ ? Kind::boolean : Kind::string;
}

std::optional<std::string> CsvKind::oddity() const {
  if (kind() != Kind::string || others_ > few || others_ >= numbers_) return std::nullopt;
  return fmt::format("it is text since line {} has {}; {} of its {} values are numbers", first_other_.line,
                     first_other_.shown, numbers_, numbers_ + others_);
}

void log_csv_oddity(std::string_view where, std::string_view column, const CsvKind& kind,
                    std::string_view advice) {
  if (const auto why = kind.oddity())
    log(LogLevel::warning, "{} column {}: {}; {}", where, quoted(column), *why, advice);
}

}  // namespace tiderace
