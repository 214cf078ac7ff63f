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
  if (is_boolean_) {
    is_int64_ = false;
    if (others_++ == 0) first_other_ = {line, quoted(field)};
  } else if (csv_int64(field)) {
    ++numbers_;
  } else if (is_csv_beyond_int64(field)) {
    ++numbers_;
    is_int64_ = false;
    if (!beyond_int64_) beyond_int64_ = {line, quoted(shortened(field))};
  } else if (csv_float64(field)) {
    ++numbers_;
    is_int64_ = false;
    has_fractions_ = true;
  } else {
    is_int64_ = false;
    if (others_++ == 0) first_other_ = {line, quoted(shortened(field))};
  }
}

Kind CsvKind::kind() const noexcept {
  if (is_int64_) return Kind::int64;
  if (others_ == 0) return beyond_int64_ && !has_fractions_ ? Kind::string : Kind::float64;
  return is_boolean_ ? Kind::boolean : Kind::string;
}

std::optional<std::string> CsvKind::oddity() const {
  if (kind() != Kind::string) return std::nullopt;
  if (others_ == 0)
    return fmt::format("it is text, as it is, since line {} has {}, an integer beyond int64",
                       beyond_int64_->line, beyond_int64_->shown);
  if (others_ > few || others_ >= numbers_) return std::nullopt;
  return fmt::format("it is text since line {} has {}; {} of its {} values are numbers", first_other_.line,
                     first_other_.shown, numbers_, numbers_ + others_);
}

void log_csv_oddity(std::string_view where, std::string_view column, const CsvKind& kind,
                    std::string_view advice) {
  if (const auto why = kind.oddity())
    log(LogLevel::warning, "{} column {}: {}; {}", where, quoted(column), *why, advice);
}

}  // namespace tiderace
