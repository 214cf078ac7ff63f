#include "base/error.h"

#include <cstdio>
#include <cstdlib>

namespace tiderace {

const char* to_string(BadRowKind kind) noexcept {
  switch (kind) {
    case BadRowKind::parse:
      return "parse";
    case BadRowKind::type:
      return "type";
    case BadRowKind::range:
      return "range";
    case BadRowKind::timestamp:
      return "timestamp";
    case BadRowKind::key:
      return "key";
    case BadRowKind::function:
      return "function";
    case BadRowKind::model:
      return "model";
    case BadRowKind::too_large:
      return "too_large";
  }
  return "?";
}

const char* to_string(ErrorKind kind) noexcept {
  switch (kind) {
    case ErrorKind::plan:
      return "plan";
    case ErrorKind::config:
      return "config";
    case ErrorKind::bad_row:
      return "bad_row";
    case ErrorKind::broker:
      return "broker";
    case ErrorKind::state:
      return "state";
  }
  return "?";
}

std::string BadRow::to_string() const {
  const std::string where = topic.empty()
                                ? fmt::format("row {}", offset)
                                : fmt::format("{} partition {} offset {}", topic, partition, offset);
  return fmt::format("{}, {}: {}", where, step, message);
}

Error::Error(BadRow row)
    : std::runtime_error(row.to_string()), kind_(ErrorKind::bad_row), bad_row_(std::move(row)) {}

Error Error::within(const std::string& context) const {
  Error wrapped(kind_, context + ": " + what());
  wrapped.bad_row_ = bad_row_;
  return wrapped;
}

void invariant_failed(const char* condition, const char* file, int line) noexcept {
  std::fprintf(stderr, "tiderace: broken invariant `%s` at %s:%d; this is a bug in tiderace\n", condition,
               file, line);
  std::abort();
}

}  // namespace tiderace
