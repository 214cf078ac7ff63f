#include "operators/float_columns.h"

#include <fmt/format.h>

#include "columnar/describe.h"
#include "columnar/invalid.h"

namespace tiderace {
namespace {

void add_wrong_kind(const Column& column, std::size_t i, RowErrors& errors) {
  if (column.kind(i) == Kind::invalid) {
    const InvalidView invalid = invalid_view(column, i);
    errors.add(i, invalid.kind, std::string(invalid.message));
  } else {
    errors.add(i, BadRowKind::type, fmt::format("wanted a number, found {}", describe(column, i)));
  }
}

bool beyond_double(std::int64_t value) noexcept {
  return value > exact_double_limit || value < -exact_double_limit;
}

void check_range(const Column& column, KindMask known, RowErrors& errors) {
  if ((column.mask() & mask_of(Kind::int64)) == 0 || known == mask_of(Kind::int64)) return;
  for (std::size_t i = 0; i < column.size(); ++i) {
    if (column.kind(i) != Kind::int64 || !beyond_double(column.int64(i))) continue;
    errors.add(i, BadRowKind::range,
               fmt::format("the integer {} is beyond 2^53, from where on float64 skips integers; declare the "
                           "column as int64 "
                           "with schema= on the topic",
                           column.int64(i)));
  }
}

}  // namespace

void check_numbers(const Column& column, KindMask known, NumberUse use, RowErrors& errors) {
  if ((column.mask() & ~number_mask) != 0) {
    for (std::size_t i = 0; i < column.size(); ++i) {
      if (!column.is_null(i) && !is_number(column.kind(i))) add_wrong_kind(column, i, errors);
    }
  }
  if (use == NumberUse::as_float64) check_range(column, known, errors);
}

void check_valid(const Column& column, RowErrors& errors) {
  if ((column.mask() & invalid_mask) == 0) return;
  for (std::size_t i = 0; i < column.size(); ++i) {
    if (column.kind(i) == Kind::invalid) add_wrong_kind(column, i, errors);
  }
}

Column handed_over(const Column& column, KindMask known, RowErrors& errors) {
  check_valid(column, errors);
  if (known == mask_of(Kind::int64) || (column.mask() & mask_of(Kind::int64)) == 0) return column;
  check_range(column, known, errors);
  ColumnBuilder builder(column.size());
  for (std::size_t i = 0; i < column.size(); ++i) {
    if (column.kind(i) == Kind::int64)
      builder.set_float64(i, static_cast<double>(column.int64(i)));
    else
      builder.copy(i, column, i);
  }
  return Column(std::move(builder));
}

Kind kind_when_empty(KindMask known) noexcept {
  for (const Kind kind : {Kind::boolean, Kind::int64, Kind::string, Kind::bytes, Kind::nested}) {
    if (known == mask_of(kind)) return kind;
  }
  return Kind::float64;
}

}  // namespace tiderace
