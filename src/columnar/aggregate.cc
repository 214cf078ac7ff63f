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

}  // namespace tiderace
