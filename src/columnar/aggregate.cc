#include "columnar/aggregate.h"

namespace tiderace {

const char* to_string(Aggregate aggregate) noexcept {
  switch (aggregate) {
    case Aggregate::mean:
      return "mean";
    case Aggregate::sum:
      return "sum";
    case Aggregate::min:
      return "min";
    case Aggregate::max:
      return "max";
    case Aggregate::count:
      return "count";
    case Aggregate::std:
      return "std";
    case Aggregate::var:
      return "var";
  }
  return "?";
}

KindMask result_kinds(Aggregate aggregate, KindMask input) noexcept {
  switch (aggregate) {
    case Aggregate::count:
      return mask_of(Kind::int64);
    case Aggregate::mean:
    case Aggregate::std:
    case Aggregate::var:
      return mask_of(Kind::float64);
    case Aggregate::sum:
    case Aggregate::min:
    case Aggregate::max:
      break;
  }
  const KindMask either = mask_of(Kind::int64) | mask_of(Kind::float64);
  return input == mask_of(Kind::float64) ? input : either;
}

}  // namespace tiderace
